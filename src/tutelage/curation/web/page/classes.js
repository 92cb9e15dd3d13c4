// A row of buttons, one for each class.

import {make} from "./dom.js";
import {classColor, onState, store} from "./store.js";

export class ClassButtons {
  // pick(name, pointed) is called with the class, and whether it was clicked with a pointer; chosen() gives the pressed one, where there is such a thing.
  constructor(container, {pick, chosen = null, add = null, edit = null}) {
    Object.assign(this, {container, pick, chosen, add, edit, names: null});
    onState(() => this.show());
  }

  show() {
    const classes = store.state.classes;
    const names = JSON.stringify(classes.map((one) => [one.name, one.key]));
    if (names !== this.names) this.build(classes);
    this.names = names;
    classes.forEach((one, place) => {
      const button = this.container.children[place];
      const model = one.model.toLocaleString("en-US");
      button.querySelector(".count").textContent = this.chosen ? model : one.human.toLocaleString("en-US");
      button.querySelector(".unseen").textContent = this.chosen ? " images that the model takes for it" : " labels";
      if (this.chosen) button.setAttribute("aria-pressed", String(this.chosen() === one.name));
    });
  }

  build(classes) {
    const buttons = classes.map((one) => {
      const swatch = make("i", {className: "swatch"});
      swatch.style.background = classColor(one.name);
      const button = make("button", {type: "button", className: "class"}, swatch);
      if (one.key) button.append(make("kbd", {textContent: one.key}));
      const name = make("bdi", {textContent: one.name});
      button.append(name, make("span", {className: "count"}), make("span", {className: "unseen"}));
      button.addEventListener("click", (event) => this.pick(one.name, event.detail > 0));
      return button;
    });
    if (this.add) {
      const more = make("button", {type: "button", className: "class add"}, "New class ", make("kbd", {textContent: "+"}));
      more.addEventListener("click", () => this.add());
      buttons.push(more);
    }
    if (this.edit && classes.length) {
      const change = make("button", {type: "button", className: "class add"}, "Change a class ", make("kbd", {textContent: "-"}));
      change.addEventListener("click", () => this.edit());
      buttons.push(change);
    }
    this.container.replaceChildren(...buttons);
  }
}
