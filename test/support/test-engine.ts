import { EventEmitter } from 'node:events';
import type { OperationName, Result, Status } from '../../engine/runner/control';
import type { ControlClient, ControlEvents } from '../../engine/runner/control-client';
import type { EngineHostEvents } from '../../main/engine-host';

/** A line to a box that runs nowhere: it answers everything, and tells what the test says. */
export class TestClient implements ControlClient {
  status: Status | undefined;
  isClosed = false;
  readonly calls: OperationName[] = [];
  private readonly events = new EventEmitter();

  async call<N extends OperationName>(name: N): Promise<Result<N>> {
    this.calls.push(name);
    const answer = name === 'reload-settings' ? { live: ['name'], restart: ['harts'] } : {};
    return answer as unknown as Result<N>;
  }
  on<E extends keyof ControlEvents>(event: E, listener: (...data: ControlEvents[E]) => void): () => void {
    this.events.on(event, listener);
    return () => this.events.off(event, listener);
  }
  connect(): Promise<never> {
    return Promise.reject(new Error('not here'));
  }
  async lend(): Promise<void> {
    this.calls.push('status');
  }
  close(): void {
    this.isClosed = true;
  }
  tell(change: Partial<Status>): void {
    this.status = {
      state: 'running',
      pid: 1,
      program: 'hartbox run',
      since: 0,
      pending: [],
      network: { addresses: [], forwards: [] },
      columns: 80,
      rows: 24,
      ...change,
    };
    this.events.emit('status', this.status);
  }
  emit(event: string, data?: unknown): void {
    this.events.emit(event, data);
  }
}

/** An engine process that is none. */
export class TestEngine extends EventEmitter<EngineHostEvents> {
  readonly pid = 4000;
  readonly client = new TestClient();
  get sent(): string[] {
    return this.client.calls;
  }
  end(): void {
    this.client.calls.push('force-off');
  }
  exit(): void {
    this.client.emit('exit', { code: 0 });
    this.emit('gone', { exitCode: 0, killed: false });
  }
}
