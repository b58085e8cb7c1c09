// The state of the page in its address, so that a link or a reload shows the same.

let values = new URLSearchParams(location.search);
const followers = new Set();

addEventListener("popstate", () => {
  values = new URLSearchParams(location.search);
  notify();
});

function notify() {
  for (const follower of [...followers]) follower();
}

export const url = {
  get(name, otherwise = "") {
    return values.get(name) ?? otherwise;
  },

  // Set some names; "" or null leaves one out. `push` makes a step that Back goes back over.
  set(changes, { push = false } = {}) {
    const next = new URLSearchParams(values);
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null || value === undefined) next.delete(name);
      else next.set(name, value);
    }
    if (next.toString() === values.toString()) return;
    values = next;
    history[push ? "pushState" : "replaceState"](null, "", this.link({}));
    notify();
  },

  // The address with other values of some names; `only` drops all others.
  link(changes, only = false) {
    const next = only ? new URLSearchParams() : new URLSearchParams(values);
    for (const [name, value] of Object.entries(changes)) {
      if (value) next.set(name, value);
      else next.delete(name);
    }
    const query = next.toString();
    return query ? `/?${query}` : "/";
  },

  // Go to such an address.
  go(address) {
    history.pushState(null, "", address);
    values = new URLSearchParams(location.search);
    notify();
  },

  // Call back after each change; returns how to end it.
  follow(callback) {
    followers.add(callback);
    return () => followers.delete(callback);
  },
};
