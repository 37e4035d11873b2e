import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startTestApp, type TestApp, type TestTenant } from "../test-app.ts";
import { cutTail, fetchVictim, flipBit, putVictim, replay, swap, type Fetched, type Victim } from "./damage.ts";

const AT_ONCE = 24;
/** Inline, one short chunk behind a whole one, several, and more than go on together. */
const SIZES = [300, 17_000, 70_000, 300_000];

/** What becomes of `count` stored files of each kind of damage: all of it is found when they are read. */
export function damagedContent(count: number): void {
  describe(`of ${count} stored files`, () => {
    let app: TestApp;
    let tenant: TestTenant;
    beforeAll(async () => {
      app = await startTestApp();
      tenant = await app.tenant();
    });
    afterAll(() => app.close());

    async function victims(sizes: readonly number[]): Promise<Victim[]> {
      const put: Victim[] = [];
      while (put.length < count) {
        const together = Array.from(
          { length: Math.min(AT_ONCE, count - put.length) },
          (_unused, index) => sizes[index % sizes.length] ?? 1,
        );
        put.push(...(await Promise.all(together.map((sizeBytes) => putVictim(app, tenant, sizeBytes)))));
      }
      return put;
    }
    const onDisk = (victim: Victim): string => victim.path ?? "";

    /** Either refused before anything, or ended in the middle; and what came until then is right. */
    function expectFound({ status, body, isWhole }: Fetched, { content }: Victim): void {
      if (status !== 200 && status !== 206) return expect(status).toBe(503);
      expect(isWhole).toBe(false);
      expect(body.length).toBeLessThan(content.length);
      expect(content.subarray(0, body.length).equals(body)).toBe(true);
    }

    test("every one with one bit flipped is found, and no bad byte is sent", async () => {
      for (const victim of await victims(SIZES)) {
        await flipBit(victim, app);
        expectFound(await fetchVictim(app, tenant, victim), victim);
      }
    });

    test("every one whose tail was cut is found, by a range at its end as well", async () => {
      for (const victim of await victims(SIZES.slice(1))) {
        await cutTail(onDisk(victim));
        expectFound(await fetchVictim(app, tenant, victim), victim);
        const end = await fetchVictim(app, tenant, victim, "bytes=-10");
        expect(end.status === 503 || !end.isWhole).toBe(true);
      }
    });

    test("every two that changed places are found", async () => {
      const all = await victims([50_000]);
      for (let index = 0; index + 1 < all.length; index += 2) {
        const [one, other] = [all[index], all[index + 1]];
        if (one === undefined || other === undefined) break;
        await swap(onDisk(one), onDisk(other));
        for (const victim of [one, other]) expect((await fetchVictim(app, tenant, victim)).status).toBe(503);
      }
    });

    test("every one that was replaced by an older sealing of the same object is found", async () => {
      for (const victim of await victims(SIZES.slice(1))) {
        await replay(onDisk(victim), victim.content.length);
        expect((await fetchVictim(app, tenant, victim)).status).toBe(503);
      }
    });

    test("the others are as they were", async () => {
      const victim = await putVictim(app, tenant, 100_000);
      const { body, isWhole } = await fetchVictim(app, tenant, victim);
      expect(isWhole && body.equals(victim.content)).toBe(true);
    });
  });
}
