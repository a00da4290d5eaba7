{
  "variables": {
    "asan%": 0,
    # A folder with an older C library to link with (scripts/build-arm64.mjs).
    "old_glibc%": "",
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
        "<!@(ls native/transport/*.cc native/http2/*.cc native/cgroup/*.cc native/netlink/*.cc native/system/*.cc native/tegrastats/*.cc | grep -v _test.cc)",
        "native/keeper/binding.cc", "native/keeper/client.cc", "native/keeper/marks.cc", "native/keeper/protocol.cc", "native/keeper/start.cc"
      ],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "defines": ["NAPI_VERSION=9", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS", "_GNU_SOURCE"],
      "ldflags": ["-static-libstdc++", "-static-libgcc"],
      "conditions": [["old_glibc!=''", {"sources": ["native/compat/old_glibc.cc"], "ldflags": ["-L<(old_glibc)"]}]]
    },
    {
      "target_name": "iluvatar-launcher",
      "type": "executable",
      "sources": ["native/sandbox/launcher_main.cc", "<!@(ls native/sandbox/*.cc | grep -v -e _main.cc -e _test.cc -e cell_library.cc)"],
      "defines": ["_GNU_SOURCE"],
      "conditions": [["asan==0", {"ldflags": ["-static"]}]]
    },
    {
      "target_name": "iluvatar-keeper",
      "type": "executable",
      "sources": ["native/keeper/keeper_main.cc", "native/keeper/protocol.cc", "native/keeper/server.cc", "native/keeper/shelf.cc"],
      "defines": ["_GNU_SOURCE"],
      "conditions": [["asan==0", {"ldflags": ["-static"]}]]
    },
    {
      "target_name": "containerd-shim-iluvatar-v1",
      "type": "executable",
      "sources": [
        "<!@(ls native/shim/*.cc | grep -v _test.cc)",
        "native/sandbox/json.cc", "native/sandbox/seccomp.cc", "native/cgroup/files.cc", "native/cgroup/mounts.cc", "native/cgroup/processes.cc"
      ],
      "defines": ["_GNU_SOURCE"],
      "conditions": [["asan==0", {"ldflags": ["-static"]}]]
    },
    {
      "target_name": "iluvatar-lookbusy",
      "type": "executable",
      "sources": ["functions/lookbusy/lookbusy.c"],
      "include_dirs": ["src/agents/binary", "dist/agents/binary"],
      "defines": ["_GNU_SOURCE"],
      "cflags_c": ["-std=gnu99", "-Wall", "-Wextra", "-Werror", "-O2"],
      "conditions": [["asan==0", {"ldflags": ["-static", "-pthread"]}]]
    },
    {
      "target_name": "iluvatar-supervisor",
      "type": "executable",
      "sources": [
        "<!@(ls native/supervise/*.cc)",
        "native/sandbox/cell.cc", "native/sandbox/config.cc", "native/sandbox/json.cc", "native/sandbox/mounts.cc",
        "native/sandbox/oversee.cc", "native/sandbox/privileges.cc", "native/sandbox/root.cc",
        "native/sandbox/supervisor_loop.cc", "native/sandbox/wire.cc"
      ],
      "defines": ["_GNU_SOURCE", "_GLIBCXX_EXTERN_TEMPLATE=0"],
      "defines!": ["_FILE_OFFSET_BITS=64", "_LARGEFILE_SOURCE"],
      "cflags": [
        "-fno-exceptions", "-fno-rtti", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables",
        "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections"
      ],
      "cflags!": ["-fsanitize=address,undefined"],
      "ldflags": ["-static", "-no-pie", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none"],
      "ldflags!": ["-fsanitize=address,undefined", "-rdynamic", "-pthread"]
    },
    {
      "target_name": "iluvatar-init",
      "type": "executable",
      "sources": ["native/init/init_main.cc", "native/supervise/bare_libc.cc"],
      "defines": ["_GNU_SOURCE", "_GLIBCXX_EXTERN_TEMPLATE=0"],
      "defines!": ["_FILE_OFFSET_BITS=64", "_LARGEFILE_SOURCE"],
      "cflags": [
        "-fno-exceptions", "-fno-rtti", "-U_FORTIFY_SOURCE", "-fno-stack-protector", "-fno-threadsafe-statics", "-fno-asynchronous-unwind-tables",
        "-fno-builtin", "-fno-tree-loop-distribute-patterns", "-ffunction-sections", "-fdata-sections"
      ],
      "cflags!": ["-fsanitize=address,undefined"],
      "ldflags": ["-static", "-no-pie", "-nostdlib", "-Wl,--gc-sections", "-Wl,--build-id=none"],
      "ldflags!": ["-fsanitize=address,undefined", "-rdynamic", "-pthread"]
    },
    {
      "target_name": "iluvatar_cell",
      "type": "shared_library",
      "product_prefix": "lib",
      "sources": ["native/sandbox/cell_library.cc", "<!@(ls native/sandbox/*.cc | grep -v -e _main.cc -e _test.cc -e cell_library.cc)"],
      "defines": ["_GNU_SOURCE"],
      "cflags": ["-fPIC"],
      "ldflags": ["-static-libstdc++", "-static-libgcc"],
      "conditions": [["old_glibc!=''", {"sources": ["native/compat/old_glibc.cc"], "ldflags": ["-L<(old_glibc)"]}]]
    }
  ]
}
