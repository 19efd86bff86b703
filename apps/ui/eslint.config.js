import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2022, sourceType: 'module' },
    rules: {
      'complexity': ['error', 10],
      'eqeqeq': 'error',
      'max-lines': ['error', { max: 250, skipBlankLines: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'no-unused-vars': ['error', { args: 'after-used', argsIgnorePattern: '^(req|res|next|_)' }],
      'no-var': 'error',
      'prefer-const': 'error',
    },
  },
  { files: ['src/**', 'test/**', '*.js'], languageOptions: { globals: globals.node } },
  { files: ['test/**'], rules: { 'max-lines-per-function': 'off' } },
  { files: ['static/**'], languageOptions: { sourceType: 'script', globals: globals.browser } },
];
