import type { Company } from "./company.ts";
import { chanceOf, type Chance } from "./seeded.ts";

export const DOCUMENT_TYPES = ["Annual Report", "Financial Statement", "Compliance Document", "Board Resolution", "Tax Filing"] as const;
export type DocumentType = (typeof DOCUMENT_TYPES)[number];

/** A document that the registry has of a company. */
export interface Filing {
  /** From 1 on. */
  readonly documentNumber: number;
  readonly documentType: DocumentType;
  readonly fileName: string;
  /** A picture of a page from a scanner; otherwise a form whose fields can be read. */
  readonly isScanned: boolean;
  /** What stands on it, in the order of the page: a field's title, and its value. */
  readonly fields: readonly (readonly [title: string, value: string])[];
}

const FEWEST = 30;
const MOST = 50;

/** All documents of a company, the same ones each time; so many of them, 0–1, are scanned. */
export function filingsOf(company: Company, scannedShare: number): Filing[] {
  const count = chanceOf(`count ${company.cin}`).between(FEWEST, MOST);
  return Array.from({ length: count }, (_unused, index) => filing(company, index + 1, scannedShare));
}

function filing(company: Company, documentNumber: number, scannedShare: number): Filing {
  const chance = chanceOf(`document ${company.cin} ${documentNumber}`);
  const documentType = chance.pick(DOCUMENT_TYPES);
  const isScanned = chance.fraction() < scannedShare;
  const year = chance.between(Math.max(2005, Number(company.cin.slice(8, 12))), 2024);
  const name = `${documentType.toLowerCase().replaceAll(" ", "-")}-${year}-${String(documentNumber).padStart(2, "0")}.pdf`;
  return { documentNumber, documentType, fileName: name, isScanned, fields: fieldsOf(chance, { company, documentType, year }) };
}

function fieldsOf(
  chance: Chance,
  { company, documentType, year }: { company: Company; documentType: DocumentType; year: number },
): Filing["fields"] {
  const amount = () => `INR ${chance.between(1_000_000, 900_000_000).toLocaleString("en-IN")}`;
  const day = () => `${chance.between(1, 28)} ${chance.pick(["April", "May", "July", "August", "September", "November"])} ${year}`;
  const person = () =>
    `${chance.pick(["Asha", "Ravi", "Meera", "Arjun", "Leela", "Vikram"])} ${chance.pick(["Rao", "Iyer", "Mehta", "Nair"])}`;
  const special: Record<DocumentType, () => Filing["fields"]> = {
    "Annual Report": () => [
      ["Revenue", amount()],
      ["Employees", String(chance.between(12, 9_000))],
      ["Chairperson", person()],
    ],
    "Financial Statement": () => [
      ["Total assets", amount()],
      ["Total liabilities", amount()],
      ["Profit after tax", amount()],
      ["Auditor", person()],
    ],
    "Compliance Document": () => [
      ["Regulation", `Section ${chance.between(2, 470)} of the Companies Act`],
      ["Compliance officer", person()],
      ["Open points", String(chance.between(0, 6))],
    ],
    "Board Resolution": () => [
      ["Resolution number", `BR-${year}-${chance.between(1, 99)}`],
      ["Subject", chance.pick(["Appointment of auditors", "Issue of shares", "Change of registered office", "Approval of accounts"])],
      ["Votes in favour", String(chance.between(4, 12))],
      ["Proposed by", person()],
    ],
    "Tax Filing": () => [
      ["Taxable income", amount()],
      ["Tax paid", amount()],
      ["Acknowledgement", String(chance.between(100_000_000, 999_999_999))],
    ],
  };
  return [
    ["Company name", company.companyName],
    ["Corporate identity number", company.cin],
    ["Financial year", `${year - 1} to ${year}`],
    ["Date of filing", day()],
    ...special[documentType](),
  ];
}
