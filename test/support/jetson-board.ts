import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** A fake board, since there is no Jetson here: the files of /sys, /proc and /etc that are read of one, below a folder of its own. */
export class FakeBoard {
  readonly root = mkdtempSync(join(tmpdir(), 'iluvatar-test-board-'));

  constructor(files: Readonly<Record<string, string>> = {}) {
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  write(path: string, text: string): void {
    const file = join(this.root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  take(path: string): void {
    rmSync(join(this.root, path), { recursive: true });
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

const HWMON = 'sys/class/hwmon';

/** An AGX Orin with JetPack 6: two sensors, of which one has the sum of its shunts as a further channel. */
export const ORIN: Readonly<Record<string, string>> = {
  'proc/device-tree/model': 'NVIDIA Jetson AGX Orin Developer Kit\0',
  'proc/device-tree/compatible': 'nvidia,p3737-0000+p3701-0005\0nvidia,p3701-0005\0nvidia,tegra234\0',
  'proc/meminfo':
    'MemTotal:       64349184 kB\nMemFree:        50349184 kB\nMemAvailable:   60000000 kB\nBuffers:          500000 kB\nCached:          3000000 kB\nSReclaimable:     500000 kB\n',
  'etc/nv_tegra_release':
    '# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 01:49:37 UTC 2025\n',
  'etc/nvpmodel.conf':
    '< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_0 1\n< POWER_MODEL ID=2 NAME=MODE_30W >\n< PM_CONFIG DEFAULT=2 >\n',
  'var/lib/nvpmodel/status': 'pmode:0002',
  'sys/class/devfreq/17000000.gpu/device/load': '417\n',
  'sys/class/devfreq/17000000.gpu/cur_freq': '918000000\n',
  'sys/class/devfreq/15480000.nvdec/device/load': '999\n',
  [`${HWMON}/hwmon0/name`]: 'pwmfan\n',
  [`${HWMON}/hwmon3/name`]: 'ina3221\n',
  [`${HWMON}/hwmon3/in1_label`]: 'VDD_GPU_SOC\n',
  [`${HWMON}/hwmon3/in1_input`]: '19000\n',
  [`${HWMON}/hwmon3/curr1_input`]: '250\n',
  [`${HWMON}/hwmon3/in2_label`]: 'VDD_CPU_CV\n',
  [`${HWMON}/hwmon3/in2_input`]: '19000\n',
  [`${HWMON}/hwmon3/curr2_input`]: '100\n',
  [`${HWMON}/hwmon3/in3_label`]: 'VIN_SYS_5V0\n',
  [`${HWMON}/hwmon3/in3_input`]: '5000\n',
  [`${HWMON}/hwmon3/curr3_input`]: '900\n',
  [`${HWMON}/hwmon3/in7_label`]: 'sum of shunt voltages\n',
  [`${HWMON}/hwmon3/in7_input`]: '12\n',
  [`${HWMON}/hwmon4/name`]: 'ina3221\n',
  [`${HWMON}/hwmon4/in1_label`]: 'NC\n',
  [`${HWMON}/hwmon4/in1_enable`]: '0\n',
  [`${HWMON}/hwmon4/in1_input`]: '0\n',
  [`${HWMON}/hwmon4/curr1_input`]: '0\n',
  [`${HWMON}/hwmon4/in2_label`]: 'VDDQ_VDD2_1V8AO\n',
  [`${HWMON}/hwmon4/in2_input`]: '5000\n',
  [`${HWMON}/hwmon4/curr2_input`]: '200\n',
  [`${HWMON}/hwmon5/name`]: 'soctherm_oc\n',
  [`${HWMON}/hwmon5/oc1_event_cnt`]: '3\n',
  [`${HWMON}/hwmon5/oc3_event_cnt`]: '0\n',
  'sys/class/thermal/thermal_zone0/type': 'cpu-thermal\n',
  'sys/class/thermal/thermal_zone0/temp': '51250\n',
  'sys/class/thermal/thermal_zone1/type': 'gpu-thermal\n',
  'sys/class/thermal/thermal_zone1/temp': '-256000\n',
  'sys/class/thermal/thermal_zone2/type': 'PMIC-Die\n',
  'sys/class/thermal/thermal_zone2/temp': '100000\n',
  'sys/class/thermal/cooling_device0/type': 'pwm-fan\n',
  'sys/class/thermal/cooling_device0/cur_state': '3\n',
  'sys/class/thermal/cooling_device1/type': 'cpu-throttle-alert\n',
  'sys/class/thermal/cooling_device1/cur_state': '0\n',
  'sys/class/thermal/cooling_device2/type': 'gpu-throttle-alert\n',
  'sys/class/thermal/cooling_device2/cur_state': '0\n',
};

const NANO_RAILS = 'sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0';

/** A Nano with JetPack 4: the driver's own names, and the GPU's load where it was then. */
export const NANO: Readonly<Record<string, string>> = {
  'proc/device-tree/model': 'NVIDIA Jetson Nano Developer Kit\0',
  'proc/device-tree/compatible': 'nvidia,p3450-0000\0nvidia,jetson-nano\0nvidia,tegra210\0',
  'proc/meminfo':
    'MemTotal:        4059288 kB\nMemFree:         2000000 kB\nBuffers: 0 kB\nCached: 0 kB\nSReclaimable: 0 kB\n',
  'etc/nv_tegra_release':
    '# R32 (release), REVISION: 7.1, GCID: 29818004, BOARD: t210ref, EABI: aarch64, DATE: Sat Feb 19 17:05:08 UTC 2022\n',
  'sys/devices/gpu.0/load': '1000\n',
  'sys/class/devfreq/57000000.gpu/cur_freq': '76800000\n',
  [`${NANO_RAILS}/rail_name_0`]: 'POM_5V_IN\n',
  [`${NANO_RAILS}/in_power0_input`]: '1750\n',
  [`${NANO_RAILS}/rail_name_1`]: 'POM_5V_GPU\n',
  [`${NANO_RAILS}/in_power1_input`]: '0\n',
  [`${NANO_RAILS}/rail_name_2`]: 'POM_5V_CPU\n',
  [`${NANO_RAILS}/in_power2_input`]: '366\n',
};
