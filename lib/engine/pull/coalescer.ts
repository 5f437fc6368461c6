/** How long a question waits for the answers to others before it is sent without them, milliseconds. */
const PATIENCE_MS = 20;

const MOST = 100;

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Sends questions that arrive while others are being answered as one statement, as a group commit does: a single one
 * is sent immediately, and the higher the load, the more of them share a statement and its round trip. Questions that
 * fail together are sent one by one, so that none fails for another one's error, and none waits long for answers that
 * don't come.
 */
export class Coalescer<Question, Answer> {
  private waiting: Waiting<Question, Answer>[] = [];
  /** The questions under way; later ones wait for their answers. */
  private ahead: object | null = null;

  /** @param answer all of the questions, in their order */
  constructor(private readonly answer: (questions: readonly Question[]) => Promise<readonly Answer[]>) {}

  ask(question: Question): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ question, resolve, reject });
      if (this.ahead === null) void this.askWaiting();
    });
  }

  private async askWaiting(): Promise<void> {
    const asked = this.waiting.splice(0, MOST);
    this.ahead = asked;
    const goOn = (): void => {
      if (this.ahead !== asked) return;
      this.ahead = null;
      if (this.waiting.length > 0) void this.askWaiting();
    };
    const patience = setTimeout(goOn, PATIENCE_MS);
    await this.resolveAll(asked);
    clearTimeout(patience);
    goOn();
  }

  private async resolveAll(asked: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.answer(asked.map(({ question }) => question));
      for (const [index, { resolve }] of asked.entries()) resolve(answers[index] as Answer);
    } catch (error) {
      const [first, ...others] = asked;
      if (others.length === 0) first?.reject(error);
      else await Promise.all(asked.map((each) => this.resolveAll([each])));
    }
  }
}
