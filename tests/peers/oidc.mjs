// Single sign-on in a real Chromium, with a certified issuer of another site (localhost beside 127.0.0.1).
import { strict as assert } from 'node:assert'
import { alert, login, look, person, tell, url } from './browser.mjs'

/** A browser that finds the issuer's font without the internet. */
async function browser() {
  const page = await person()
  await page.route('https://fonts.googleapis.com/**', route => route.fulfill({ contentType: 'text/css', body: '' }))
  return page
}

/** Goes to the issuer and proves there to be this person, who has yet to consent. */
async function prove(page, who, from = '/login') {
  await page.goto(url + from)
  await page.getByRole('link', { name: 'Continue with single sign-on' }).click()
  await page.getByPlaceholder('Enter any login').fill(who)
  await page.getByPlaceholder('and password').fill('any')
  await page.getByRole('button', { name: 'Sign-in' }).click()
  await page.getByRole('button', { name: 'Continue' }).waitFor()
}

/** The same, and comes back. */
async function signOn(page, who, from) {
  await prove(page, who, from)
  await page.getByRole('button', { name: 'Continue' }).click()
}

/** The same, up to the way back: gives where the issuer sends the browser, and does not go there. */
async function halfway(page, who) {
  await prove(page, who)
  const { request } = page.context()
  const consented = await request.post(page.url(), { form: { prompt: 'consent' }, maxRedirects: 0 })
  const sent = await request.get(consented.headers().location, { maxRedirects: 0 })
  return sent.headers().location
}

const inside = (page, who) => page.getByText(who).waitFor()

const stories = {
  async rules(admin, password) {
    const page = await browser()
    await page.goto(`${url}/login`)
    await look(page, 'login-oidc')
    await page.getByRole('link', { name: 'Continue with single sign-on' }).click()
    await page.getByRole('link', { name: 'Cancel' }).click()
    assert.match(await alert(page), /did not let you in/)
    await look(page, 'login-oidc-refused')
    await signOn(page, admin)
    await inside(page, `${admin} · admin`)
    const vera = await browser()
    await signOn(vera, 'vera@example.com', '/test/event')
    await inside(vera, 'vera@example.com · viewer')
    await vera.getByRole('heading', { level: 1, name: 'Events' }).waitFor()
    const boss = await browser()
    await signOn(boss, 'boss@example.com')
    await inside(boss, 'boss@example.com · admin')
    const eve = await browser()
    await signOn(eve, 'eve@example.org')
    assert.match(await alert(eve), /Nobody let eve@example.org in here/)
    await eve.goto(`${url}/test/`)
    await eve.getByRole('heading', { name: 'Log in' }).waitFor()
    const unverified = await browser()
    await signOn(unverified, 'new@example.com')
    assert.match(await alert(unverified), /no e-mail address that it has verified/)
    await login(page, admin, password) // it is still hers
    await page.goto(`${url}/settings/user`)
    assert.equal(await page.getByText('by single sign-on').count(), 2)
    await page.goto(`${url}/settings/audit`)
    for (const [name, count] of [['login opened by OIDC', 3], ['user created viewer by OIDC', 1], ['user created admin by OIDC', 1]]) {
      assert.equal(await page.getByRole('cell', { name, exact: true }).count(), count, name)
    }
    await page.getByRole('row', { name: 'login refused' }).filter({ hasText: 'eve@example.org' }).waitFor()
  },

  async forged(issuer) {
    const [mine, other] = [await browser(), await browser()]
    const back = await halfway(mine, 'boss@example.com')
    await halfway(other, 'vera@example.com')
    await other.goto(back)
    assert.match(await alert(other), /begun in another browser/)
    const cookies = await mine.context().cookies()
    await mine.goto(back)
    await inside(mine, 'boss@example.com · admin')
    await mine.context().clearCookies()
    await mine.goto(back)
    assert.match(await alert(mine), /begun in another browser/)
    await mine.context().addCookies(cookies)
    await mine.goto(back)
    assert.match(await alert(mine), /has ended already/)
    const changed = new URL(await halfway(await fresh(other), 'vera@example.com'))
    changed.searchParams.set('code', 'another')
    await other.goto(changed.href)
    assert.match(await alert(other), /does not hold/)
    await fetch(`${issuer}/rotate`)
    await signOn(await fresh(other), 'vera@example.com')
    await inside(other, 'vera@example.com · viewer')
  },

  async first() {
    const page = await browser()
    await page.goto(url)
    await page.getByRole('heading', { name: 'Set up Posthaste' }).waitFor()
    await signOn(page, 'vera@example.com')
    assert.match(await alert(page), /Nobody let vera@example.com in here/)
    await signOn(await fresh(page), 'boss@example.com')
    await inside(page, 'boss@example.com · admin')
    await page.getByRole('button', { name: 'Log out' }).click()
    await page.goto(url)
    await page.getByRole('heading', { name: 'Log in' }).waitFor()
  },
}

/** The same browser without anything that it kept. */
async function fresh(page) {
  await page.context().clearCookies()
  return page
}

await tell(stories)
