/** What is wrong with a configuration, for people: where, what, and what to do. Never holds a value that may be secret. */

export interface ConfigProblem {
  /** As a reader would write it: `mcpServers.files.command`, or `line 3, column 7`. */
  readonly path: string
  readonly problem: string
  /** What to do about it, as a sentence. */
  readonly fix: string
}

/** All problems of one configuration at once. Leaves the process with exit code 2. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly ConfigProblem[]

  constructor(source: string, problems: readonly ConfigProblem[]) {
    super(formatProblems(source, problems))
    this.problems = problems
  }
}

/** One line each, under a title that counts them. */
export function formatProblems(source: string, problems: readonly ConfigProblem[]): string {
  const title = problems.length === 1 ? '1 problem' : `${problems.length} problems`
  const lines = problems.map(({ path, problem, fix }) => `- ${path}: ${problem}. ${fix}`)
  return [`${title} in ${source}:`, ...lines].join('\n')
}

/** `mcpServers`, `my server`, `env` → `mcpServers["my server"].env`. */
export function pathText(keys: readonly PropertyKey[]): string {
  let text = ''
  for (const key of keys) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_$][\w$-]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text === '' ? 'the file' : text
}

/** The candidate that `word` was probably meant to be, or undefined where none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

function editDistance(left: string, right: string): number {
  let previous = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row += 1) {
    const current = [row]
    for (let column = 1; column <= right.length; column += 1) {
      const substitution = (previous[column - 1] ?? 0) + (left[row - 1] === right[column - 1] ? 0 : 1)
      current.push(Math.min(substitution, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[right.length] ?? 0
}
