/** How long a question waits for the answers to others, in milliseconds, before it is asked without them. */
const PATIENCE_MS = 20;

const MOST = 100;

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Asks together what comes while others are being answered, as a group commit does: one alone is asked at once, and the
 * busier it gets, the more share a statement and its round trip. Questions that fail together are asked one by one, so
 * that none fails for another's sake, and none waits long for answers that don't come.
 */
export class Coalescer<Question, Answer> {
  private waiting: Waiting<Question, Answer>[] = [];
  /** Those who come wait for the answers to these. */
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
