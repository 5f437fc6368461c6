import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startAppProcess, type AppProcess } from '../support/app-process.js';
import { pause } from '../support/wait.js';
import { PATIENCE, patiently } from './patience.js';
import { TcpProxy } from './tcp-proxy.js';

export type Env = Readonly<Record<string, string>>;

export interface SiteAppOptions {
  /** `app-1`, `app-2`, …; also the `application_name` of its pool's connections. */
  readonly name: string;
  readonly main: string;
  readonly env: Env;
  /** Of its database, past any proxy. */
  readonly databaseUrl: string;
  /** For the file by which its clock is set. */
  readonly folder: string;
}

/** How long a supervisor waits before it starts again what has ended. */
const RESTART_PAUSE = 250;
/** How long what devices have begun may take before a deploy cuts them off, as a load balancer does. */
const DRAIN_TIMEOUT = 1_000;
/** Characters of a crashed app's output that are told. */
const CRASH_OUTPUT = 5_000;
/** How long an app may take to end after SIGTERM. */
const STOP_TIMEOUT = 60_000;
const CLOCK = pathToFileURL(join(import.meta.dirname, 'clock.mjs')).href;

/**
 * One app of a site: a process under a supervisor, which starts it again when it dies, with a network before it and one
 * between it and PostgreSQL.
 */
export class SiteApp {
  readonly name: string;
  /** How often it has started, i.e. been ready. */
  starts = 0;
  /** What those of its processes wrote last that ended by themselves: no fault may bring that about. */
  readonly crashes: string[] = [];
  private readonly ended: string[] = [];
  private process: AppProcess | null = null;
  private wanted = false;
  private env: Env = {};
  private supervision: Promise<void> = Promise.resolve();
  private lastFailure: unknown;

  static async create(options: SiteAppOptions): Promise<SiteApp> {
    const network = await TcpProxy.listen();
    const databaseNetwork = await TcpProxy.listen(Number(new URL(options.databaseUrl).port));
    return new SiteApp(options, network, databaseNetwork);
  }

  private constructor(
    private readonly options: SiteAppOptions,
    /** Between devices and the app. */
    readonly network: TcpProxy,
    /** Between the app and PostgreSQL. */
    readonly databaseNetwork: TcpProxy,
  ) {
    this.name = options.name;
  }

  /** For devices; the same however often the app starts. */
  get url(): string {
    return `http://127.0.0.1:${this.network.port}`;
  }

  /** Undefined while there is no process that listens. */
  get pid(): number | undefined {
    return this.process?.pid;
  }

  /** What all its processes have written. */
  output(): string {
    return [...this.ended, this.process?.output() ?? ''].join('');
  }

  /** Starts it and waits until it listens; from now on a supervisor keeps it running, with these variables. */
  async start(env: Env = {}): Promise<void> {
    if (this.wanted) throw new Error(`${this.name} runs already.`);
    this.env = env;
    this.wanted = true;
    this.network.pass();
    const { starts } = this;
    this.supervision = this.supervise();
    await this.restarted(starts);
  }

  /** Resolves once it has become ready more than `starts` times, e.g. after it was killed. */
  async restarted(starts: number): Promise<void> {
    await patiently(() => this.starts > starts && this.process !== null).catch(() => {
      throw new Error(`${this.name} did not come up:\n${String(this.lastFailure)}\n${this.output()}`);
    });
  }

  /**
   * Ends it as a deploy does: no new connections, then SIGTERM; the supervisor does not start it again.
   * @throws Error when it had to be killed
   */
  async stop(): Promise<void> {
    this.wanted = false;
    const { process: running } = this;
    if (running) {
      this.network.refuse();
      const draining = setTimeout(() => this.network.cut(), DRAIN_TIMEOUT);
      const stopping = setTimeout(() => void running.kill('SIGKILL'), STOP_TIMEOUT);
      const { signal } = await running.kill('SIGTERM');
      clearTimeout(draining);
      clearTimeout(stopping);
      if (signal === 'SIGKILL')
        throw new Error(`${this.name} did not stop within ${STOP_TIMEOUT} ms:\n${running.output()}`);
    }
    await this.supervision;
  }

  /** SIGKILL; resolves when it is gone. The supervisor starts it again. */
  async kill(): Promise<void> {
    await this.process?.kill('SIGKILL');
  }

  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  /** Lets its clock be off by so many milliseconds; resolves once it is. */
  async setClock(offset: number): Promise<void> {
    const running = this.process;
    if (!running) throw new Error(`${this.name} does not run.`);
    await writeFile(this.clockFile, String(offset));
    const lines = (): number => running.output().split(`clock: ${offset}\n`).length;
    const before = lines();
    this.signal('SIGUSR2');
    await patiently(() => lines() > before);
  }

  /** Ends everything of it, frozen or not. */
  async close(): Promise<void> {
    this.wanted = false;
    await this.kill();
    await this.supervision;
    await Promise.all([this.network.close(), this.databaseNetwork.close()]);
  }

  private signal(signal: NodeJS.Signals): void {
    const { pid } = this;
    if (pid === undefined) throw new Error(`${this.name} does not run.`);
    process.kill(pid, signal);
  }

  private async supervise(): Promise<void> {
    while (this.wanted) {
      try {
        const started = await startAppProcess({
          main: this.options.main,
          env: this.variables(),
          startTimeout: PATIENCE,
        });
        this.process = started;
        // It may have been told to stop while it started.
        if (!this.wanted) await started.kill();
        this.network.target = Number(new URL(started.url).port);
        this.starts += 1;
        const { code, signal } = await started.exit;
        const output = started.output();
        this.ended.push(output);
        if (signal === null && this.wanted)
          this.crashes.push(`${this.name} ended with code ${code}:\n${output.slice(-CRASH_OUTPUT)}`);
      } catch (error) {
        this.lastFailure = error;
      }
      this.process = null;
      this.network.target = undefined;
      this.network.cut();
      if (this.wanted) await pause(RESTART_PAUSE);
    }
  }

  private variables(): Env {
    const url = new URL(this.options.databaseUrl);
    url.port = String(this.databaseNetwork.port);
    url.searchParams.set('application_name', this.name);
    return {
      DATABASE_URL: url.href,
      NODE_OPTIONS: `--import ${CLOCK}`,
      CLOCK_FILE: this.clockFile,
      ...this.options.env,
      ...this.env,
    };
  }

  private get clockFile(): string {
    return join(this.options.folder, `${this.name}.clock`);
  }
}
