{
  "variables": {
    "asan%": 0,
    "ours": ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti", "-fvisibility=hidden", "-O2"]
  },
  "target_defaults": {
    "cflags_cc!": ["-std=gnu++17", "-fno-rtti", "-fno-exceptions", "-std=gnu++20"],
    "cflags_cc": ["<@(ours)"],
    "include_dirs": ["native"],
    "conditions": [
      ["asan==1", {
        "cflags": ["-fsanitize=address,undefined", "-fno-omit-frame-pointer", "-g", "-O1"],
        "ldflags": ["-fsanitize=address,undefined"]
      }]
    ]
  },
  "targets": [
    {
      "target_name": "iluvatar",
      "sources": [
        "native/addon.cc",
        "<!@(ls native/transport/*.cc native/cgroup/*.cc native/system/*.cc | grep -v _test.cc)"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_GNU_SOURCE"],
      "ldflags": ["-static-libstdc++", "-static-libgcc"]
    },
    {
      "target_name": "iluvatar-launcher",
      "type": "executable",
      "sources": ["native/sandbox/launcher_main.cc", "<!@(ls native/sandbox/*.cc | grep -v -e _main.cc -e _test.cc -e cell_library.cc)"],
      "defines": ["_GNU_SOURCE"],
      "conditions": [["asan==0", {"ldflags": ["-static"]}]]
    },
    {
      "target_name": "iluvatar_cell",
      "type": "shared_library",
      "product_prefix": "lib",
      "sources": ["native/sandbox/cell_library.cc", "<!@(ls native/sandbox/*.cc | grep -v -e _main.cc -e _test.cc -e cell_library.cc)"],
      "defines": ["_GNU_SOURCE"],
      "cflags": ["-fPIC"],
      "ldflags": ["-static-libstdc++", "-static-libgcc"]
    }
  ]
}
