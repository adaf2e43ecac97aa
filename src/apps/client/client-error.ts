/** What went wrong between this client and a server, with the next thing to try. */

export type ClientErrorCode =
  | 'not_running'
  | 'unauthorized'
  | 'unknown_server'
  | 'server_degraded'
  | 'unreachable'
  | 'no_mcp'
  | 'era_mismatch'
  | 'command_failed'
  | 'usage'
  | 'unknown_name'
  | 'rpc'
  | 'declined'
  | 'cancelled'
  | 'lost'

/** A failure that a person reads: `message` says what is wrong, `advice` the next command or change ('' where there is none). */
export class ClientError extends Error {
  override readonly name = 'ClientError'
  readonly code: ClientErrorCode
  readonly advice: string

  constructor(code: ClientErrorCode, message: string, advice = '', cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.advice = advice
  }
}

/** The server answered with a JSON-RPC error; `text` is the error object as it was sent. */
export class RpcError extends ClientError {
  readonly rpcCode: number
  readonly text: string
  readonly data: unknown

  constructor(rpcCode: number, message: string, { text, data, advice = '' }: { readonly text: string; readonly data?: unknown; readonly advice?: string }) {
    super('rpc', message, advice)
    this.rpcCode = rpcCode
    this.text = text
    this.data = data
  }
}
