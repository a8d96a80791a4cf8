// The link's token stands behind the #, where no server sees it: it is posted once, and gone from the address.
const form = document.getElementById('enter')
const on = document.getElementById('on')
const key = new URLSearchParams(location.hash.slice(1)).get('key')
if (key) {
  history.replaceState(null, '', location.pathname)
  form.elements.key.value = key
  form.submit()
} else if (on) {
  location.replace(on.href)
} else {
  document.getElementById('opening').hidden = true
  document.getElementById('none').hidden = false
}
