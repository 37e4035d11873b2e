import { chanceOf, type Chance } from "./seeded.ts";

export interface Company {
  /** Corporate identity number: `L`, 5 digits, 2 letters, a year from 1980 to 2020, 3 letters, 6 digits. */
  readonly cin: string;
  readonly companyName: string;
}

const CIN = /^L\d{5}[A-Z]{2}(?:19[89]\d|20[01]\d|2020)[A-Z]{3}\d{6}$/;
const FIRST = ["PRESSURE SENSITIVE", "DIGITAL", "SMART", "GLOBAL", "ADVANCED", "PREMIUM", "ELITE", "CORE"];
const SECOND = ["SYSTEMS", "TECHNOLOGIES", "SOLUTIONS", "SERVICES", "PRODUCTS", "INNOVATIONS", "DIGITAL", "SOFTWARE"];
const FORM = ["LIMITED", "PRIVATE LIMITED", "LLP"];
const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

export function isCin(text: string): boolean {
  return CIN.test(text);
}

/** A number that nobody has chosen before; whose it is, the registry says. */
export function newCin(chance: Chance): string {
  const digits = (count: number) => String(chance.between(0, 10 ** count - 1)).padStart(count, "0");
  const letters = (count: number) => Array.from({ length: count }, () => chance.pick(LETTERS)).join("");
  return `L${digits(5)}${letters(2)}${chance.between(1980, 2020)}${letters(3)}${digits(6)}`;
}

/** The company that has this number: every valid number is somebody's, always the same one's. */
export function companyOf(cin: string): Company {
  const chance = chanceOf(`company ${cin}`);
  return { cin, companyName: `${chance.pick(FIRST)} ${chance.pick(SECOND)} ${chance.pick(FORM)}` };
}
