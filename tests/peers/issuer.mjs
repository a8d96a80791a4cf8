// A certified OpenID Connect issuer (npm's oidc-provider), whose people log in with any address as their name. Arguments:
// the folder with node_modules, how ID tokens are signed, where they have all claims: `token`, or `userinfo`. It prints its
// URL, and reads one line: where browsers go back to.
import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

const [modules, algorithm, place, secret] = process.argv.slice(2)
const require = createRequire(join(modules, 'package.json'))
const { default: Provider } = await import(pathToFileURL(require.resolve('oidc-provider')))

let answer
const server = createServer((request, response) => {
  if (request.url === '/rotate') {
    answer = issuer()
    return response.end()
  }
  return answer(request, response)
})
await new Promise(listens => server.listen(0, '127.0.0.1', listens))
const url = `http://localhost:${server.address().port}`
console.log(url)
const back = await new Promise(reads => createInterface(process.stdin).once('line', reads))
answer = issuer()

/** The issuer with a new key. */
function issuer() {
  const kinds = { RS256: ['rsa', { modulusLength: 2048 }], ES256: ['ec', { namedCurve: 'P-256' }], EdDSA: ['ed25519'] }
  const { privateKey } = generateKeyPairSync(...kinds[algorithm])
  const key = { ...privateKey.export({ format: 'jwk' }), alg: algorithm, use: 'sig' }
  const provider = new Provider(url, {
    clients: [{
      client_id: 'posthaste & co',
      ...secret ? { client_secret: secret } : { token_endpoint_auth_method: 'none' },
      id_token_signed_response_alg: algorithm,
      redirect_uris: [back],
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], groups: ['groups'] },
    conformIdTokenClaims: place === 'userinfo',
    cookies: { keys: ['a key of this story'] },
    enabledJWA: { idTokenSigningAlgValues: [algorithm] },
    jwks: { keys: [key] },
    pkce: { required: () => true },
    async findAccount(_, email) {
      const groups = email.startsWith('boss') ? ['staff', 'posthaste-admins'] : ['staff']
      const claims = { sub: email, email, email_verified: !email.startsWith('new'), groups }
      return { accountId: email, claims: () => claims }
    },
  })
  return provider.callback()
}
