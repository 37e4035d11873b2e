import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { createResultKeys, type ReusableInput, type ReusableStage, type ReusableStep } from "./result-cache-key.ts";

const SECRET = createHash("sha256").update("secret").digest();
const step = (name: string, more: Partial<ReusableStep> = {}): ReusableStep => ({
  ...{ name, use: "image.resize", version: "1", with: { width: 1, fit: "inside" }, needs: [""], keep: true },
  ...more,
});
const stage = (steps: ReusableStep[], more: Partial<ReusableStage> = {}): ReusableStage => ({
  ...{ kind: "map", reuse: "content_and_names", steps },
  ...more,
});
const input = (content: string, more: Partial<ReusableInput> = {}): ReusableInput => ({
  ...{ from: "", sha256: createHash("sha256").update(content).digest(), mediaType: "image/png", name: "a.png" },
  ...more,
});
const keyOf = (given: ReusableStage, inputs: ReusableInput[], secret = SECRET) =>
  createResultKeys(secret, given).of(inputs).toString("hex");

const ONE = stage([step("a")]);
const CHAIN = stage([step("a", { keep: false }), step("b", { needs: ["a"], use: "text.stats" })]);

test("equal work has one key, whatever its steps are called and however its parameters are written", () => {
  expect(keyOf(stage([step("z", { with: { fit: "inside", width: 1 } })]), [input("x")])).toBe(keyOf(ONE, [input("x")]));
  const renamed = stage([step("p", { keep: false }), step("q", { needs: ["p"], use: "text.stats" })]);
  expect(keyOf(renamed, [input("x")])).toBe(keyOf(CHAIN, [input("x")]));
  const behind = (name: string) => keyOf(stage([step("a", { needs: [name] })]), [input("x", { from: name })]);
  expect(behind("earlier")).toBe(behind("before"));
});

test("everything that decides a result changes the key", () => {
  const gather = (inputs: ReusableInput[]) => keyOf(stage([step("a")], { kind: "gather" }), inputs);
  const two = stage([step("a"), step("b", { needs: ["a", "other"] })]);
  const keys = [
    keyOf(ONE, [input("x")]),
    keyOf(ONE, [input("y")]),
    keyOf(ONE, [input("x", { name: "b.png" })]),
    keyOf(ONE, [input("x", { mediaType: "image/jpeg" })]),
    keyOf(ONE, [input("x")], createHash("sha256").update("another tenant's").digest()),
    keyOf(stage([step("a", { version: "2" })]), [input("x")]),
    keyOf(stage([step("a", { use: "image.metadata" })]), [input("x")]),
    keyOf(stage([step("a", { with: { width: 2, fit: "inside" } })]), [input("x")]),
    keyOf(stage([step("a", { when: { media_type: ["image/png"] } })]), [input("x")]),
    keyOf(stage([step("a", { keep: false })]), [input("x")]),
    keyOf(stage([step("a"), step("b")]), [input("x")]),
    keyOf(CHAIN, [input("x")]),
    keyOf(two, [input("x")]),
    keyOf(two, [input("x", { from: "other" })]),
    gather([input("x")]),
    gather([input("x"), input("y")]),
    gather([input("y"), input("x")]),
    gather([input("x"), input("x")]),
  ];
  expect(new Set(keys).size).toBe(keys.length);
});

test("a name counts only where a processor says that it does", () => {
  const byContent = stage([step("a")], { reuse: "content" });
  expect(keyOf(byContent, [input("x", { name: "b.png" })])).toBe(keyOf(byContent, [input("x")]));
  expect(keyOf(byContent, [input("x")])).not.toBe(keyOf(ONE, [input("x")]));
});

test("a name can't be made to look like another input", () => {
  const gather = (inputs: ReusableInput[]) => keyOf(stage([step("a")], { kind: "gather" }), inputs);
  const line = JSON.stringify(["", input("y").sha256.toString("hex"), "image/png", "a.png"]);
  expect(gather([input("x", { name: `a.png"]\n${line.slice(0, -2)}` })])).not.toBe(gather([input("x"), input("y")]));
});
