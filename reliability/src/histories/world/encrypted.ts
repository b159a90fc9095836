/** A Postgres that has TLS, with a certificate that is made for this run and signed with its own key. */
import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { selfSigned } from "../../../../test-support/certificate.ts"
import {
  type PostgresOptions,
  type PostgresServer,
  startPostgres
} from "../../../../test-support/startPostgres.ts"
import type { Credentials } from "../line/tls.ts"

export interface Encrypted {
  readonly server: PostgresServer
  readonly credentials: Credentials
  /** What the processes of nodes need, so that they trust the certificate. */
  readonly environment: Readonly<Record<string, string>>
}

export const startEncrypted = async (
  settings: Readonly<Record<string, string>> = {},
  options: PostgresOptions = {}
): Promise<Encrypted> => {
  const credentials = selfSigned()
  const directory = mkdtempSync(join(tmpdir(), "boxoffice-tls-"))
  const [ssl_cert_file, ssl_key_file] = [join(directory, "cert.pem"), join(directory, "key.pem")]
  writeFileSync(ssl_cert_file, credentials.certificate)
  writeFileSync(ssl_key_file, credentials.key, { mode: 0o600 })
  // The server runs as that user where the harness runs as root.
  if (process.getuid?.() === 0) execFileSync("chown", ["-R", "nobody", directory])
  const server = await startPostgres(
    { ...settings, ssl: "on", ssl_cert_file, ssl_key_file },
    options
  )
  const stop = async () => {
    await server.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  return {
    server: { ...server, stop },
    credentials,
    environment: { NODE_EXTRA_CA_CERTS: ssl_cert_file }
  }
}
