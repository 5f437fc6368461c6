import { Inject, Injectable, NotFoundException, ServiceUnavailableException } from '@nestjs/common';
import { LiveBusyError } from '../../live/live-busy.error.js';
import { Live, type LiveRequest, type OpenedConnection } from '../../live/live.js';
import type { LiveSink } from '../../live/live-sink.js';
import { SYNCHRO_OPTIONS } from '../../settings/synchro.options.js';
import { readLive, type SynchroSettings } from '../../settings/synchro.settings.js';
import { Admission } from '../admission/admission.js';
import { type HttpResponse, rawResponse, setRetryAfter, takeOver } from '../answer.js';
import { type HttpRequest, userOf } from '../sync-request.js';
import { EventStream } from './event-stream.js';
import { liveQuery } from './live-query.js';
import { LongPoll } from './long-poll.js';

/** Serves the live channel: a stream, or a long poll for clients that can't have one. */
@Injectable()
export class LiveEndpoint {
  private readonly heartbeat: number;

  constructor(
    private readonly live: Live,
    private readonly admission: Admission,
    @Inject(SYNCHRO_OPTIONS) { live: settings }: Pick<SynchroSettings, 'live'>,
  ) {
    ({ heartbeat: this.heartbeat } = settings === false ? readLive({}) : settings);
  }

  /**
   * Begins to answer, and returns: the rest of the stream needs no handler, so that an interceptor of the host's that
   * limits a handler's time does not end it.
   */
  async open(request: HttpRequest, response: HttpResponse): Promise<void> {
    if (!this.live.isOn) throw new NotFoundException('live is off');
    const { wait, ...query } = liveQuery(request);
    const asked = { ...query, userId: userOf(request) };
    const raw = rawResponse(response);
    if (wait === null) {
      const stream = new EventStream(raw);
      await this.begin(asked, stream, response, ({ checkpoint, contract }) =>
        stream.greet(checkpoint, this.heartbeat, contract),
      );
    } else {
      const poll = new LongPoll(raw);
      await this.begin(asked, poll, response, ({ checkpoint }) => poll.wait(checkpoint, wait));
    }
  }

  private async begin(
    request: LiveRequest,
    sink: LiveSink,
    response: HttpResponse,
    greet: (opened: OpenedConnection) => void,
  ): Promise<void> {
    const opened = await this.connect(request, sink, response);
    const { connection } = opened;
    if (rawResponse(response).closed) return connection.close();
    if (connection.isClosed) throw this.busy(response, 'the connection was ended');
    this.admission.release(response);
    takeOver(response).once('close', () => connection.close());
    greet(opened);
    connection.begin();
  }

  private async connect(
    request: LiveRequest,
    sink: LiveSink,
    response: HttpResponse,
  ): Promise<OpenedConnection> {
    try {
      return await this.live.open(request, sink);
    } catch (error) {
      if (error instanceof LiveBusyError) throw this.busy(response, error.message);
      throw error;
    }
  }

  /** Gives each refused request a time of its own, so that they don't come back together. */
  private busy(response: HttpResponse, message: string): ServiceUnavailableException {
    setRetryAfter(response, this.admission.retryAfter());
    // A server that closes waits for connections that are kept alive.
    rawResponse(response).shouldKeepAlive = false;
    return new ServiceUnavailableException(message);
  }
}
