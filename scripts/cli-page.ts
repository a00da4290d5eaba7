import type { Command } from 'commander';
import { EXIT_MEANINGS } from '../src/cli/exit-codes.js';
import { buildProgram } from '../src/cli/program.js';

/** docs/cli.md: the rules that hold for all commands, and each command's own help. */
export function cliPage(): string {
  const program = buildProgram();
  // Help is wrapped to the terminal it is printed on; the page must not depend on that of whoever generates it.
  program.configureHelp({ helpWidth: 100 });
  const codes = EXIT_MEANINGS.map(([code, meaning]) => `| ${code} | ${meaning} |\n`).join('');
  return `${HEAD}
## Exit codes

| code | meaning |
|---|---|
${codes}
## Commands

${commandsOf(program)
  .map((command) => `### ${titleOf(command)}\n\n\`\`\`text\n${helpOf(command)}\n\`\`\`\n`)
  .join('\n')}`;
}

const HEAD = `<!-- Generated from src/cli by "npm run gen". Do not edit. -->
# The command line

\`iluvatar\` starts a worker and speaks to one over its unix socket. The socket is \`--socket PATH\`, else the one that the configuration leads to
(\`--config FILE\`, \`ILUVATAR__SOCKET\`, \`ILUVATAR__NAME\`, …: see [config.md](config.md)), so on one machine nothing needs to be said. The global options \`--socket\`,
\`--config\`, \`--set\` and \`--json\` may stand before or after the command.

* **Results** go to standard output, everything else (progress, phase times, what the function printed, errors) to standard error.
* **\`--json\`** prints the result as one JSON value, and a failure as one line \`{"error": {"class", "message", "details"}}\` on standard error. \`invoke --json\` prints
  the whole answer: \`result\`, \`tid\`, \`containerState\`, \`phases\` in µs, \`attempts\`, \`stdout\`, \`stderr\`.
* **Functions** are named \`name\` or \`name@version\`; the version is 1 unless given.
* **Durations** are \`500ms\`, \`10s\`, \`2m\`, \`1h\`; a bare number is milliseconds. **Memory** is \`128m\`, \`1g\`; a bare number is MiB.

## Arguments of a function

| given | the function gets |
|---|---|
| \`-a n=3 -a ok=true -a x=null\` | \`{"n": 3, "ok": true, "x": null}\`: what reads as JSON is JSON |
| \`-a s=text -a 'q=two words'\` | \`{"s": "text", "q": "two words"}\`: all else is text |
| \`-a 's="3"'\` | \`{"s": "3"}\`: quotes make a number text |
| \`-a 'b:={"x":1}' -a 'l:=[1,2]'\` | the same as with \`=\`, but refused when it is not JSON |
| \`-a text=@notes.txt -a data:=@data.json\` | a file's content, as text or as JSON |
| \`'{"n": 3}'\` | exactly this JSON |
| \`@arguments.json\`, \`-\` | the JSON in a file, or on standard input |

Numbers reach the function as they were written, however large.
`;

function commandsOf(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...commandsOf(child)]);
}

function titleOf(command: Command): string {
  const parent = command.parent;
  return parent === null ? command.name() : `${titleOf(parent)} ${command.name()}`;
}

/** With the examples, which commander adds only when it prints. */
function helpOf(command: Command): string {
  let text = '';
  command.configureHelp({ helpWidth: 100 });
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text.trimEnd();
}
