import { access, readFile } from "node:fs/promises";
import { dirname, join, normalize } from "node:path";
import { ROOT, trackedFiles } from "./tracked-files.ts";

/** Relative links of every page lead to a file that is there, and `#…` to a heading of it. Addresses on the web are not fetched. */
const pages = (await trackedFiles()).filter((path) => path.endsWith(".md"));
const problems = (await Promise.all(pages.map(deadLinksOf))).flat();
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

async function deadLinksOf(page: string): Promise<string[]> {
  const text = withoutCode(await readFile(join(ROOT, page), "utf8"));
  const dead: string[] = [];
  for (const match of text.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)) {
    const link = match[1] ?? "";
    if (/^[a-z][a-z0-9+.-]*:/i.test(link)) continue;
    const [path = "", anchor] = decodeURI(link).split("#");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    if (target.startsWith("..") || !(await exists(target))) dead.push(`${page}: nothing at ${link}`);
    else if (anchor !== undefined && target.endsWith(".md") && !(await headingsOf(target)).has(anchor)) {
      dead.push(`${page}: ${target} has no heading #${anchor}`);
    }
  }
  return dead;
}

/** Brackets inside code are not links. */
function withoutCode(text: string): string {
  return text.replace(/^(`{3,})[^\n]*\n[\s\S]*?^\1`*\s*$/gm, "").replace(/`[^`\n]*`/g, "code");
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(join(ROOT, path));
    return true;
  } catch {
    return false;
  }
}

/** Anchors as the usual renderers make them: lower case, spaces to hyphens, other punctuation dropped. */
async function headingsOf(page: string): Promise<Set<string>> {
  const text = await readFile(join(ROOT, page), "utf8");
  const titles = [...text.matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)].map((match) => match[1] ?? "");
  return new Set(
    titles.map((title) =>
      title
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, "")
        .replace(/\s/g, "-"),
    ),
  );
}
