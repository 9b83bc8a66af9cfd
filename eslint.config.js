import pluginVue from 'eslint-plugin-vue';
import tseslint from 'typescript-eslint';

/**
 * What types can tell and Biome cannot: promises left alone, `any` that leaks in, cases forgotten. Formatting and plain
 * lint are Biome's, the direction of imports is dependency-cruiser's, unused code is knip's.
 */
export default tseslint.config(
  // AssemblyScript is not TypeScript: its own compiler checks engine/hart/helpers. Examples see the package, not the sources.
  { ignores: ['out/', 'dist/', 'node_modules/', '.cache/', 'coverage/', 'test-results/', 'engine/hart/helpers/', 'docs/examples/'] },
  { files: ['**/*.ts', '**/*.vue'], extends: [tseslint.configs.recommendedTypeChecked] },
  { files: ['**/*.vue'], extends: [pluginVue.configs['flat/recommended']] },
  {
    files: ['**/*.ts', '**/*.vue'],
    languageOptions: {
      parserOptions: {
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.vue'],
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/only-throw-error': 'error',
      '@typescript-eslint/prefer-promise-reject-errors': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-deprecated': 'error',
      '@typescript-eslint/no-unnecessary-type-arguments': 'error',
      '@typescript-eslint/prefer-readonly': 'error',
      '@typescript-eslint/return-await': ['error', 'error-handling-correctness-only'],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      // tsc reports these, with fewer false alarms.
      '@typescript-eslint/no-unused-vars': 'off',
      // An async function without await is how an interface's Promise is kept.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-restricted-syntax': ['error', { selector: 'TSEnumDeclaration', message: 'Use a union of literals, or constants.' }],
    },
  },
  {
    files: ['engine/**/*.ts', 'main/**/*.ts'],
    ignores: ['**/*.test.ts', 'engine/host/patient-files.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: ['fs', 'node:fs', 'fs/promises', 'node:fs/promises'].map((name) => ({
            name,
            importNames: ['default', ...['rename', 'rm', 'rmdir', 'unlink'].flatMap((call) => [call, `${call}Sync`])],
            message: 'Windows refuses it while a virus scanner has the file open: use hostFiles of engine/host/patient-files.ts.',
          })),
        },
      ],
    },
  },
  {
    // Tests take apart what they are given (JSON, wasm exports) and would only be longer with casts. What comes out of a
    // .vue file has types for vue-tsc alone.
    files: ['**/*.test.ts', 'test/**/*.ts', 'renderer/**'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: tseslint.parser } },
    rules: {
      '@typescript-eslint/await-thenable': 'off',
      'vue/block-lang': ['error', { script: { lang: 'ts' } }],
      'vue/component-api-style': ['error', ['script-setup']],
      'vue/no-v-html': 'error',
      'vue/multi-word-component-names': 'off',
      // Layout belongs to people and to Biome.
      'vue/max-attributes-per-line': 'off',
      'vue/singleline-html-element-content-newline': 'off',
      'vue/multiline-html-element-content-newline': 'off',
      'vue/html-self-closing': 'off',
      'vue/html-indent': 'off',
      'vue/html-closing-bracket-newline': 'off',
      'vue/first-attribute-linebreak': 'off',
      'vue/attributes-order': 'off',
    },
  },
);
