import { Command, CommanderError } from 'commander';
import { VERSION } from '../package-files.js';
import { addBuildCommand } from './build.js';
import { addCancelCommand } from './cancel.js';
import { addCleanCommand } from './clean.js';
import { CommandHost } from './command-host.js';
import { addCompletionCommand } from './completion.js';
import { addConfigCommand } from './config.js';
import { addGlobalOptions, printError } from './context.js';
import { addDeadLettersCommand } from './dead-letters.js';
import { addDoctorCommand } from './doctor.js';
import { addEnergyCommand } from './energy/energy.js';
import { addEstimateCommand } from './estimate.js';
import { EXIT, EXIT_MEANINGS, exitCodeOf, UsageError } from './exit-codes.js';
import { addHealthCommand } from './health.js';
import { addInvokeCommand } from './invoke.js';
import { addJetsonCommand } from './jetson/jetson.js';
import { addListCommand } from './list.js';
import { addLoadCommand } from './load/load.js';
import { addLogsCommand } from './logs.js';
import { addPingCommand } from './ping.js';
import { addPoliciesCommand } from './policies.js';
import { addPrewarmCommand } from './prewarm.js';
import { addProfileCommand } from './profile.js';
import { addRegisterCommand } from './register.js';
import { addReloadCommand } from './reload.js';
import { addResultCommand } from './result.js';
import { addSchedulesCommand } from './schedules.js';
import { addServiceCommands } from './service/service.js';
import { addSimCommand } from './sim/sim.js';
import { addStatusCommand } from './status.js';
import { addStopCommand } from './stop.js';
import { addUnregisterCommand } from './unregister.js';
import { addUpgradeCommand } from './upgrade.js';
import { addWorkerCommand } from './worker/worker.js';

/** Puts the subcommands together and turns how they end into an exit code. */

/** `json`: mistakes in the command line are told as one JSON line, like all other failures. */
export function buildProgram(json = false): Command {
  const program = new Command('iluvatar');
  if (json) program.configureOutput({ outputError: (text) => printError(new UsageError(usageText(text)), true) });
  program
    .description('A serverless worker that runs functions, fast, on a bare Linux box.')
    .version(VERSION, '-V, --version', 'print the version')
    .enablePositionalOptions()
    .exitOverride()
    .showSuggestionAfterError()
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', `\nExit codes:\n${exitCodeLines()}`);
  addGlobalOptions(program);
  const host = new CommandHost(program);
  addWorkerCommand(host);
  addReloadCommand(host);
  addUpgradeCommand(host);
  addStopCommand(host);
  addServiceCommands(host);
  addRegisterCommand(host);
  addUnregisterCommand(host);
  addBuildCommand(host);
  addInvokeCommand(host);
  addResultCommand(host);
  addCancelCommand(host);
  addDeadLettersCommand(host);
  addSchedulesCommand(host);
  addPrewarmCommand(host);
  addListCommand(host);
  addStatusCommand(host);
  addHealthCommand(host);
  addPingCommand(host);
  addEstimateCommand(host);
  addCleanCommand(host);
  addLogsCommand(host);
  addProfileCommand(host);
  addConfigCommand(host);
  addPoliciesCommand(host);
  addDoctorCommand(host);
  addSimCommand(host);
  addLoadCommand(host);
  addJetsonCommand(host);
  addEnergyCommand(host);
  addCompletionCommand(host, program);
  return program;
}

/** Runs one command line (without node and script) and returns its exit code. */
export async function runCommandLine(argv: readonly string[]): Promise<number> {
  // `iluvatar list | head -1` ends when head does: that is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.ok : EXIT.other),
  );
  try {
    await buildProgram(argv.includes('--json')).parseAsync(argv, { from: 'user' });
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    printError(error, argv.includes('--json'));
    return exitCodeOf(error);
  }
}

function usageText(text: string): string {
  return text.trim().replace(/^error: /, '');
}

function exitCodeLines(): string {
  return EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}\n`).join('');
}
