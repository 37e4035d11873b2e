/** An object is not what was sealed; the message says what was found, to follow the object's name. */
export class UnsealError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "UnsealError";
  }
}
