/* Browsers start no worker from a file: there, the search runs in a hidden frame with a worker's interface instead. */
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    #frame = document.createElement("iframe");
    #waiting = [];

    constructor(url) {
      super();
      const script = document.createElement("script");
      script.src = new URL(url, location.href).href;
      const parentMessage = "self.postMessage = data => parent.postMessage(data, '*');";
      this.#frame.hidden = true;
      this.#frame.srcdoc = `<script>${parentMessage}</script>${script.outerHTML}`;
      this.#frame.addEventListener("load", () => {
        const waiting = this.#waiting;
        this.#waiting = null;
        waiting.forEach(data => this.postMessage(data));
      });
      window.addEventListener("message", event => {
        if (event.source !== this.#frame.contentWindow) return;
        const message = new MessageEvent("message", { data: event.data });
        this.dispatchEvent(message);
        this.onmessage?.(message);
      });
      document.body.append(this.#frame);
    }

    postMessage(data) {
      if (this.#waiting) this.#waiting.push(data);
      else this.#frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
    }

    terminate() {
      this.#frame.remove();
    }
  };
}
