import { connect } from 'node:net';
import { freePort } from './free-port.js';
import { getsAnswer, MetricServer } from './metric-server.js';

/** Debian's own Python: another would not have its modules. */
export const DEBIAN_PYTHON = '/usr/bin/python3';
export const CARBON = '/usr/bin/carbon-cache';
/** Of the package graphite-web. */
export const GRAPHITE_WEB = '/usr/lib/python3/dist-packages/graphite/settings.py';

/** Carbon with a point a second for an hour, and, if asked for, Graphite's render API on top of it. */
export class GraphiteServer extends MetricServer {
  readonly #withWeb: boolean;
  #ports: { line: number; pickle: number; query: number; web: number } | null = null;

  constructor({ web }: { web: boolean }) {
    super();
    this.#withWeb = web;
  }

  get port(): number {
    return this.#ports?.line ?? 0;
  }

  /** Of the render API. */
  get url(): string {
    return `http://127.0.0.1:${this.#ports?.web ?? 0}`;
  }

  get whisper(): string {
    return this.path('whisper');
  }

  protected async launch(): Promise<void> {
    this.#ports ??= {
      line: await freePort(),
      pickle: await freePort(),
      query: await freePort(),
      web: await freePort(),
    };
    const { line, pickle, query } = this.#ports;
    this.file('storage-schemas.conf', '[all]\npattern = .*\nretentions = 1s:1h\n');
    const config = this.file(
      'carbon.conf',
      `[cache]
STORAGE_DIR = ${this.folder}
LOCAL_DATA_DIR = ${this.whisper}
CONF_DIR = ${this.folder}
LOG_DIR = ${this.path('log')}
PID_DIR = ${this.path('run')}
DATABASE = whisper
USER =
MAX_UPDATES_PER_SECOND = inf
MAX_CREATES_PER_MINUTE = inf
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = ${line}
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = ${pickle}
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = ${query}
ENABLE_TAGS = False
`,
    );
    // A process that was killed leaves its pid, and the next one would take it for running.
    const pid = `--pidfile=${this.folder}/run/carbon-${Date.now()}.pid`;
    const args = [CARBON, `--config=${config}`, pid, '--debug', 'start'];
    await this.run(DEBIAN_PYTHON, args, () => accepts(line));
    if (this.#withWeb) await this.#launchWeb();
  }

  async #launchWeb(): Promise<void> {
    const { query, web } = this.#ports as { query: number; web: number };
    this.file(
      'graphite_settings.py',
      `SECRET_KEY = 'of a test'
CONF_DIR = STORAGE_DIR = '${this.folder}'
WHISPER_DIR = '${this.whisper}'
STANDARD_DIRS = [WHISPER_DIR]
LOG_DIR = '${this.path('log')}'
INDEX_FILE = '${this.folder}/index'
ALLOWED_HOSTS = ['*']
CARBONLINK_HOSTS = ['127.0.0.1:${query}']
TAGDB = ''
TIME_ZONE = 'UTC'
DEFAULT_CACHE_DURATION = FIND_CACHE_DURATION = 0
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': ':memory:'}}
`,
    );
    const script = this.file(
      'web.py',
      `import os, sys
sys.path.insert(0, '${this.folder}')
os.environ['DJANGO_SETTINGS_MODULE'] = 'graphite.settings'
os.environ['GRAPHITE_SETTINGS_MODULE'] = 'graphite_settings'
from wsgiref.simple_server import make_server
from django.core.wsgi import get_wsgi_application
make_server('127.0.0.1', ${web}, get_wsgi_application()).serve_forever()
`,
    );
    await this.run(DEBIAN_PYTHON, [script], () => getsAnswer(`${this.url}/render?format=json`));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('error', () => resolve(false));
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}
