import type { Command } from 'commander';
import { action, type CommandHost } from './command-host.js';
import { UsageError } from './exit-codes.js';

/** `iluvatar completion`: shell completion, made from the commands themselves, so it can never lag behind them. */

interface Node {
  /** "" for the program, "config show" for a nested command. */
  readonly path: string;
  readonly words: readonly string[];
  readonly description: string;
}

export function addCompletionCommand(host: CommandHost, program: Command): void {
  host
    .add('completion', 'print shell completion', [
      'completion bash > /etc/bash_completion.d/iluvatar',
      'completion zsh > ~/.zfunc/_iluvatar         # with fpath+=~/.zfunc before compinit',
    ])
    .argument('<shell>', 'bash or zsh')
    .action(
      action((_context, _options, shell: string) => {
        const nodes = walk(program, '');
        if (shell === 'bash') process.stdout.write(bashScript(nodes));
        else if (shell === 'zsh') process.stdout.write(zshScript(nodes));
        else throw new UsageError(`there is completion for bash and zsh, not for "${shell}"`);
      }),
    );
}

function walk(command: Command, path: string): Node[] {
  const options = command.options.flatMap(({ long, short }) => [long, short]).filter((flag) => flag != null);
  const names = command.commands.map((child) => child.name());
  const here = { path, words: [...names, ...options, '--help'], description: command.description() };
  return [here, ...command.commands.flatMap((child) => walk(child, `${path} ${child.name()}`.trim()))];
}

/** Finds the deepest command on the line, then offers its words; files otherwise. Works without the bash-completion package. */
function bashScript(nodes: readonly Node[]): string {
  return `# bash completion for iluvatar
_iluvatar() {
  local word="\${COMP_WORDS[COMP_CWORD]}" path="" candidate i
  for ((i = 1; i < COMP_CWORD; i++)); do
    candidate="\${path:+$path }\${COMP_WORDS[i]}"
    case "$candidate" in
      ${pathPattern(nodes)}) path="$candidate" ;;
    esac
  done
  local words=""
  case "$path" in
${nodes.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ \${#COMPREPLY[@]} -eq 0 ]]; then
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _iluvatar iluvatar
`;
}

function zshScript(nodes: readonly Node[]): string {
  return `#compdef iluvatar
# zsh completion for iluvatar
_iluvatar() {
  local path_so_far="" candidate i
  for ((i = 2; i < CURRENT; i++)); do
    candidate="\${path_so_far:+$path_so_far }\${words[i]}"
    case "$candidate" in
      ${pathPattern(nodes)}) path_so_far="$candidate" ;;
    esac
  done
  local -a candidates
  case "$path_so_far" in
${nodes.map((node) => `    '${node.path}') candidates=(${describedWords(node, nodes)}) ;;`).join('\n')}
  esac
  _describe 'iluvatar' candidates || _files
}
if [[ "\${funcstack[1]}" == _iluvatar ]]; then _iluvatar "$@"; else compdef _iluvatar iluvatar; fi
`;
}

function pathPattern(nodes: readonly Node[]): string {
  return nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => `'${path}'`)
    .join('|');
}

/** Commands with their descriptions; options as they are. */
function describedWords(node: Node, nodes: readonly Node[]): string {
  return node.words
    .map((word) => {
      const child = nodes.find(({ path }) => path === `${node.path} ${word}`.trim());
      const text = child === undefined ? word : `${word}:${child.description.replaceAll(':', '\\:')}`;
      return `'${text.replaceAll("'", "'\\''")}'`;
    })
    .join(' ');
}
