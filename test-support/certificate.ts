/** A certificate that a test makes for itself, so that no key is kept and none expires. */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto"

/** Of a server on this machine, by its name or its address: signed with its own key, in PEM. */
export const selfSigned = (): { readonly certificate: string; readonly key: string } => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const ecdsaWithSha256 = sequence(oid("2a8648ce3d040302"))
  const name = sequence(tagged(0x31, sequence(oid("550403"), tagged(0x0c, "localhost"))))
  const otherNames = sequence(tagged(0x82, "localhost"), tagged(0x87, Buffer.from([127, 0, 0, 1])))
  const contents = sequence(
    // Version 3, which has extensions.
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    // A serial number is positive.
    tagged(0x02, Buffer.from([1]), randomBytes(8)),
    ecdsaWithSha256,
    name,
    sequence(tagged(0x17, "200101000000Z"), tagged(0x18, "99991231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    tagged(0xa3, sequence(sequence(oid("551d11"), tagged(0x04, otherNames))))
  )
  const signature = tagged(0x03, Buffer.from([0]), sign("sha256", contents, privateKey))
  const lines = sequence(contents, ecdsaWithSha256, signature)
    .toString("base64")
    .match(/.{1,64}/g)!
  return {
    certificate: `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string
  }
}

// DER: each value is a tag, its length, and its contents.

const tagged = (tag: number, ...contents: ReadonlyArray<Buffer | string>): Buffer => {
  const content = Buffer.concat(contents.map((part) => Buffer.from(part as string)))
  return Buffer.concat([Buffer.from([tag]), lengthOf(content), content])
}
const lengthOf = ({ length }: Buffer): Buffer => {
  if (length < 0x80) return Buffer.from([length])
  if (length < 0x100) return Buffer.from([0x81, length])
  return Buffer.from([0x82, length >> 8, length & 0xff])
}
const sequence = (...contents: ReadonlyArray<Buffer>) => tagged(0x30, ...contents)
const oid = (hex: string) => tagged(0x06, Buffer.from(hex, "hex"))
