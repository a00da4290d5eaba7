import { BatterySource } from '../../../src/telemetry/energy/sources/battery.js';
import { Ina3221Source } from '../../../src/telemetry/energy/sources/ina3221.js';
import { IpmiSource } from '../../../src/telemetry/energy/sources/ipmi.js';
import { NvidiaSource } from '../../../src/telemetry/energy/sources/nvidia.js';
import { PerfSource } from '../../../src/telemetry/energy/sources/perf.js';
import { RaplSource } from '../../../src/telemetry/energy/sources/rapl.js';
import { RaplMsrSource } from '../../../src/telemetry/energy/sources/rapl-msr.js';
import { TegrastatsEnergySource } from '../../../src/telemetry/energy/sources/tegrastats.js';
import { cleanAfterEach } from '../../backends/support/temporary.js';
import { orinLine } from '../../support/tegrastats.js';
import { energySourceConformance } from './conformance.js';
import { cpuinfo, FakeMachine, topology } from './fakes/machine.js';

/** The conformance suite on machines made of files and stand-ins. */

cleanAfterEach();

const ZONE = 'sys/class/powercap/intel-rapl:0';
let counter = 1000;

energySourceConformance({
  name: 'rapl',
  machine: () =>
    new FakeMachine().files({
      [`${ZONE}/name`]: 'package-0',
      [`${ZONE}/energy_uj`]: counter,
      [`${ZONE}/max_energy_range_uj`]: 262_143_328_850,
    }),
  source: (machine) => new RaplSource(machine.config().energy),
  draw: (machine) => {
    counter += 10_000;
    machine.files({ [`${ZONE}/energy_uj`]: counter });
  },
  lose: (machine) => machine.remove('sys/class/powercap'),
  remedyOfMissing: 'modprobe intel_rapl_msr',
  forbid: (machine) =>
    machine.mode(`${ZONE}/energy_uj`, 0o400).mode(`${ZONE}/energy_uj`, process.geteuid?.() === 0 ? 0o400 : 0),
  remedyOfForbidden: 'chmod a+r',
  hang: (machine) => machine.remove(`${ZONE}/energy_uj`),
});

energySourceConformance({
  name: 'rapl-msr',
  machine: () =>
    new FakeMachine()
      .files({ ...cpuinfo('GenuineIntel', 6, 0x9e), ...topology([[0, 1]]) })
      .registers(0, { 1542: 0xa0e03, 1553: counter, 1616: 0 }),
  source: (machine) => new RaplMsrSource(machine.config().energy),
  draw: (machine) => {
    counter += 1000;
    machine.registers(0, { 1553: counter });
  },
  lose: (machine) => machine.remove('dev'),
  remedyOfMissing: 'modprobe msr',
  forbid: (machine) => machine.mode('dev/cpu/0/msr', process.geteuid?.() === 0 ? 0o400 : 0),
  remedyOfForbidden: 'cap_sys_rawio',
  hang: (machine) => machine.cutRegisters(0, 0x600),
});

const POWER = 'sys/bus/event_source/devices/power/events';

energySourceConformance({
  name: 'perf',
  machine: () =>
    new FakeMachine()
      .files({ [`${POWER}/energy-pkg`]: 'event=0x02', [`${POWER}/energy-pkg.unit`]: 'Joules', ...topology([[0, 1]]) })
      .program('perf', { lines: 'S0,1,0.25,Joules,power/energy-pkg/,20000000,100.00,,\n' }),
  source: (machine) => new PerfSource(machine.config().energy),
  draw: () => {},
  lose: (machine) => machine.remove(POWER),
  remedyOfMissing: 'modprobe rapl',
  forbid: (machine) =>
    machine.control(
      'perf',
      'refuse',
      'Error:\nAccess to performance monitoring and observability operations is limited.\n',
    ),
  remedyOfForbidden: 'perf_event_paranoid',
  hang: (machine) => machine.control('perf', 'hang', ''),
});

energySourceConformance({
  name: 'nvidia',
  machine: () => new FakeMachine().program('nvidia-smi', { gpus: '0, 75.32\n1, 12.5\n' }),
  source: (machine) => new NvidiaSource(machine.config().energy),
  draw: () => {},
  lose: (machine) => machine.remove('programs'),
  remedyOfMissing: 'apt-get install nvidia-smi',
  forbid: (machine) => machine.mode('programs/nvidia-smi/nvidia-smi', 0o644),
  remedyOfForbidden: null,
  hang: (machine) => machine.control('nvidia-smi', 'hang', ''),
});

energySourceConformance({
  name: 'ipmi',
  machine: () => new FakeMachine().program('ipmitool', { watts: '220' }),
  source: (machine) =>
    new IpmiSource(machine.config({ ipmi: { command: machine.config().energy.ipmi.command, timeoutMs: 4000 } }).energy),
  draw: () => {},
  lose: (machine) => machine.remove('programs'),
  remedyOfMissing: 'apt-get install ipmitool',
  forbid: (machine) =>
    machine.control('ipmitool', 'refuse', 'Could not open device at /dev/ipmi0 or /dev/ipmi/0: Permission denied\n'),
  remedyOfForbidden: '/dev/ipmi0',
  hang: (machine) => machine.control('ipmitool', 'hang', ''),
});

const BATTERY = 'sys/class/power_supply/BAT0';

energySourceConformance({
  name: 'battery',
  machine: () =>
    new FakeMachine().files({
      [`${BATTERY}/type`]: 'Battery',
      [`${BATTERY}/status`]: 'Discharging',
      [`${BATTERY}/power_now`]: 12_500_000,
    }),
  source: (machine) => new BatterySource(machine.config().energy),
  draw: () => {},
  lose: (machine) => machine.remove('sys/class/power_supply'),
  remedyOfMissing: null,
  forbid: null,
  remedyOfForbidden: null,
  hang: (machine) => machine.files({ [`${BATTERY}/status`]: 'Charging' }),
});

const SENSOR = 'sys/class/hwmon/hwmon2';

energySourceConformance({
  name: 'ina3221',
  machine: () =>
    new FakeMachine().files({
      [`${SENSOR}/name`]: 'ina3221',
      [`${SENSOR}/in1_label`]: 'VDD_IN',
      [`${SENSOR}/in1_input`]: 5000,
      [`${SENSOR}/curr1_input`]: 1200,
      [`${SENSOR}/in2_label`]: 'VDD_CPU_GPU_CV',
      [`${SENSOR}/in2_input`]: 5000,
      [`${SENSOR}/curr2_input`]: 400,
    }),
  source: (machine) => new Ina3221Source(machine.config().energy),
  draw: () => {},
  lose: (machine) => machine.remove('sys/class/hwmon'),
  remedyOfMissing: null,
  forbid: (machine) => {
    for (const file of ['curr1_input', 'curr2_input']) {
      machine.mode(`${SENSOR}/${file}`, process.geteuid?.() === 0 ? 0o400 : 0);
    }
  },
  remedyOfForbidden: 'curr*_input',
  hang: (machine) => machine.remove(SENSOR),
});

energySourceConformance({
  name: 'tegrastats',
  machine: () => new FakeMachine().program('tegrastats', { line: `${orinLine(10)}\n` }),
  source: (machine) => new TegrastatsEnergySource(machine.config().energy, machine.config().jetson),
  draw: () => {},
  lose: (machine) => machine.remove('programs'),
  remedyOfMissing: null,
  forbid: (machine) => machine.mode('programs/tegrastats/tegrastats', 0o644),
  remedyOfForbidden: null,
  hang: (machine) => machine.control('tegrastats', 'hang', ''),
});
