import { defineConfig, type OxlintOverride } from "oxlint";
import { forbiddenTo, foreignTo, SERVER_FOLDERS, WORKSPACES, type RestrictedPattern } from "./scripts/arrows.ts";

const TESTS = ["**/*.test.ts", "**/*.contract.ts"];

/** Tests stand beside their source but build what they need from anywhere, so folder arrows bind sources only. */
const folderArrows = Object.entries(SERVER_FOLDERS).map(([folder, row]): OxlintOverride => ({
  files: [`server/src/${folder}/**/*.ts`],
  excludeFiles: [...TESTS, ...(row.except ?? []).map((file) => `server/src/${folder}/${file}`)],
  rules: { "no-restricted-imports": restricted([...foreignTo("server"), ...forbiddenTo(folder)]) },
}));

const workspaceArrows = Object.keys(WORKSPACES).map((workspace): OxlintOverride => ({
  files: [`${workspace}/**/*.ts`],
  rules: { "no-restricted-imports": restricted(foreignTo(workspace)) },
}));

export default defineConfig({
  plugins: ["eslint", "typescript", "unicorn", "oxc", "import", "node", "promise"],
  categories: { correctness: "error", suspicious: "error" },
  ignorePatterns: ["samples/**", "coverage/**"],
  rules: {
    "max-lines": ["error", { max: 300, skipBlankLines: false, skipComments: false }],
    "typescript/no-explicit-any": "error",
    "typescript/no-non-null-assertion": "error",
    "typescript/consistent-type-imports": "error",
    "import/no-cycle": ["error", { ignoreTypes: false }],
    "unicorn/filename-case": ["error", { case: "kebabCase" }],
    "unicorn/prefer-node-protocol": "error",
    "no-restricted-properties": [
      "error",
      { object: "process", property: "env", message: "The environment is read once, in bin/; take the configuration as an argument." },
      { object: "process", property: "exit", message: "Only bin/ ends the process; throw a typed error instead." },
    ],
    eqeqeq: "error",
    // Off, each for a reason.
    // Helpers stand below the function that uses them and may be closures on purpose.
    "unicorn/consistent-function-scoping": "off",
    // A parameter named as an outer function is clearer than a synonym.
    "no-shadow": "off",
    "no-underscore-dangle": "off",
    // Loops wait for flags that callbacks set.
    "no-unmodified-loop-condition": "off",
    // Streams and promises meet at the edges; where one turns into the other it is on purpose.
    "promise/always-return": "off",
    "promise/no-callback-in-promise": "off",
    "promise/no-promise-in-callback": "off",
    // sort() and reverse() of an array made in the same expression change nobody's data.
    "unicorn/no-array-sort": "off",
    "unicorn/no-array-reverse": "off",
    // Arguments of a command line are grouped as ...["--flag", value].
    "unicorn/no-useless-spread": "off",
    // An empty type import loads a module's augmentation.
    "unicorn/require-module-specifiers": "off",
    "import/no-empty-named-blocks": "off",
    // Node's EventEmitter has no addEventListener; process IPC has no origin; Fastify, unlike Express, awaits handlers.
    "unicorn/prefer-add-event-listener": "off",
    "unicorn/require-post-message-target-origin": "off",
    "oxc/no-async-endpoint-handlers": "off",
    // pg is CommonJS: its one default export is what Node loads.
    "import/no-named-as-default-member": "off",
  },
  overrides: [
    ...workspaceArrows,
    ...folderArrows,
    {
      files: ["**/bin/**", "**/test/**", "**/*.test.ts", "**/*.contract.ts", "scripts/**", "bench/**", "acceptance/**", "*.config.ts"],
      rules: { "no-restricted-properties": "off" },
    },
  ],
});

function restricted(patterns: RestrictedPattern[]): ["error", { patterns: RestrictedPattern[] }] {
  return ["error", { patterns }];
}
