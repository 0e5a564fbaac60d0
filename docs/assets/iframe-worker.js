// Browsers refuse workers to pages that are opened as files. The site's search runs in a worker,
// so on such pages this runs the worker's script in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.inside.importScripts = (...urls) => Promise.all(urls.map(each => this.load(each)))
      this.loaded = this.load(url)
    }
    load(url) {
      const script = this.inside.document.createElement("script")
      script.src = url
      this.inside.document.body.append(script)
      return new Promise(resolve => script.addEventListener("load", resolve))
    }
    async postMessage(data) {
      await this.loaded
      this.inside.dispatchEvent(new MessageEvent("message", { data }))
    }
  }
}
