/** An answer that is not what its status says: never accepted, and asked for again. */
export class WrongAnswer extends Error {
  constructor(message: string) {
    super(message);
    this.name = "WrongAnswer";
  }
}
