package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxMade bounds what templates make for all apps, in bytes.
const maxMade = 64 << 20

// Template is what apps share. In its texts, ${app} stands for the name of the app and ${NAME}
// for its value of the parameter NAME; $${ stands for ${ itself.
type Template struct {
	Parameters map[string]Parameter `key:"parameters" keys:"parameter" doc:"What differs between the apps, by name: ${NAME} stands for it in the texts of the template, as ${app} does for the name of the app. $${ stands for ${ itself."`
	Image      Image                `key:"image" doc:"Which pushed images are released."`
	Colors     Colors               `key:"colors" doc:"The two production environments."`
	Gateway    Gateway              `key:"gateway" doc:"The gateway that moves the traffic."`
	Behavior
}

// Parameter is a text that each app of a template may give.
type Parameter struct {
	Default     string `key:"default" is:"argument" doc:"The value for apps that give none, in which ${app} stands for the name of the app. Without it, each app has to give one."`
	Description string `key:"description" doc:"What the value is for."`
}

// appName is the parameter that every template has.
const appName = "app"

// blueprint is a template as apps are made of it.
type blueprint struct {
	Template
	name, file string
	root       place
	app        App              // with the texts that hold parameters as they are written
	keys       map[string]place // that it gives, by path
	missing    []field          // that apps have to give, by path
	holes      hole
	defaults   map[string]text // of parameters
	problems   []Problem
}

func (b *blueprint) given(path string) bool {
	_, ok := b.keys[path]
	return ok || path == ""
}

// parameter is ${NAME}, or the $${ that stands for ${.
var parameter = regexp.MustCompile(`\$\$\{|\$\{([^{}]*)\}?`)

// holds reports whether a text has parameters, as those of templates may, and which of them are
// not known.
func (r *reader) holds(n *yaml.Node, path string) bool {
	if r.making == nil || !strings.Contains(n.Value, "${") {
		return false
	}
	names := []string{appName}
	if !strings.HasPrefix(path, "parameters.") {
		names = append(slices.Sorted(maps.Keys(r.making.Parameters)), appName)
	}
	for _, found := range parameter.FindAllStringSubmatch(n.Value, -1) {
		switch {
		case found[0] == "$${":
		case !strings.HasSuffix(found[0], "}"):
			r.wrong(n, path, "holds a ${ that does not end: a parameter is ${NAME}, and $${ stands for ${ itself")
		case !slices.Contains(names, found[1]):
			r.wrong(n, path, "${%s} is not known%s; known here are ${%s}", shorten(found[1]), meant(found[1], names), strings.Join(names, "}, ${"))
		}
	}
	return true
}

// template reads a template. Its mistakes keep only the apps that use it from being used.
func (r *reader) template(n *yaml.Node, path string, t *Template) {
	b := &blueprint{name: strings.TrimPrefix(path, "templates."), file: r.name, root: placeOf(n), keys: map[string]place{}}
	own := &reader{loader: r.loader, name: r.name, prefix: path, root: b.root, at: b.keys, making: b}
	b.Behavior = *r.defaults
	fill(reflect.ValueOf(&b.Image).Elem())
	own.object(n, "", reflect.ValueOf(&b.Template).Elem())
	if other := r.shared[b.name]; other != nil {
		own.wrong(n, "", "is the name of the template in %s too", where(other.file, other.root.line, other.root.column))
	}
	for _, f := range fieldsOf(reflect.TypeFor[App]()) {
		if f.tag.need && f.key != "name" && !b.given(f.key) {
			b.missing = append(b.missing, f)
		}
	}
	*t, b.problems = b.Template, own.problems
	b.app = App{Image: t.Image, Colors: t.Colors, Gateway: t.Gateway, Behavior: t.Behavior}
	if len(b.problems) == 0 {
		b.holes, _ = holesIn(n, hole{}, reflect.ValueOf(&b.app).Elem())
		b.defaults = map[string]text{}
		for name, p := range b.Parameters {
			if b.given("parameters." + name + ".default") {
				b.defaults[name] = textOf(p.Default)
			}
		}
	}
	r.blueprints[b.name] = b
}

// text is a text with parameters, in pieces.
type text []struct{ plain, parameter string }

func textOf(written string) (t text) {
	end := 0
	piece := func(plain, parameter string) {
		t = append(t, struct{ plain, parameter string }{plain, parameter})
	}
	for _, found := range parameter.FindAllStringSubmatchIndex(written, -1) {
		piece(written[end:found[0]], "")
		if end = found[1]; found[2] < 0 {
			piece("${", "")
		} else {
			piece("", written[found[2]:found[3]])
		}
	}
	piece(written[end:], "")
	return t
}

// with puts values in the place of the parameters.
func (t text) with(value func(parameter string) string) string {
	var out strings.Builder
	for _, piece := range t {
		out.WriteString(piece.plain)
		if piece.parameter != "" {
			out.WriteString(value(piece.parameter))
		}
	}
	return out.String()
}

// hole is a text with parameters in a template, or what has such texts below it.
type hole struct {
	path  string
	tag   *spec
	field []int // of the struct that it is in
	item  int   // of the list
	key   string
	below []hole
	text  text
	at    place
	// made has what was read of texts that do not hold the name of the app.
	made map[string]reflect.Value
}

// holesIn finds the texts with parameters at and below h.
func holesIn(n *yaml.Node, h hole, v reflect.Value) (hole, bool) {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	add := func(n *yaml.Node, of hole, v reflect.Value) {
		if found, ok := holesIn(n, of, v); ok {
			h.below = append(h.below, found)
		}
	}
	switch {
	case n.Kind == yaml.ScalarNode:
		if !strings.Contains(n.Value, "${") {
			return h, false
		}
		h.text, h.at = textOf(n.Value), placeOf(n)
		if !strings.Contains(n.Value, "${"+appName+"}") {
			h.made = map[string]reflect.Value{}
		}
		return h, true
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if value := valueOf(n, f.key); value != nil {
				add(value, hole{path: join(h.path, f.key), tag: f.tag, field: f.index}, v.FieldByIndex(f.index))
			}
		}
	case v.Kind() == reflect.Slice:
		for i, value := range n.Content {
			add(value, hole{path: item(h.path, i), tag: h.tag, item: i}, v.Index(i))
		}
	case v.Kind() == reflect.Map:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			add(n.Content[i+1], hole{path: join(h.path, key), tag: h.tag, key: key}, reflect.Zero(v.Type().Elem()))
		}
	}
	return h, len(h.below) > 0
}

// valueOf is the value of a key of a map; nil where there is none.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			for value := n.Content[i+1]; ; value = value.Alias {
				if value.Kind != yaml.AliasNode {
					return value
				}
			}
		}
	}
	return nil
}

// use finds the template of an app, and begins the app as it is there. Where there is none that
// can be used, wrong says why, of the key at path.
func (r *reader) use(n *yaml.Node, app *App) (b *blueprint, path, wrong string) {
	name := valueOf(n, "template")
	switch {
	case name == nil && valueOf(n, "parameters") != nil:
		return nil, "parameters", "are those of a template, and no template is named"
	case name == nil || name.Kind != yaml.ScalarNode:
		return nil, "", ""
	}
	if b = r.blueprints[name.Value]; b == nil {
		b = r.shared[name.Value]
	}
	switch {
	case b == nil:
		names := slices.Sorted(maps.Keys(r.blueprints))
		names = slices.Compact(slices.Sorted(slices.Values(append(names, slices.Collect(maps.Keys(r.shared))...))))
		if len(names) == 0 {
			return nil, "template", fmt.Sprintf("%q is no template: there are none in this file, nor in bluegreen.yaml", shorten(name.Value))
		}
		return nil, "template", fmt.Sprintf("%q is no template%s; there are %s", shorten(name.Value), meant(name.Value, names), strings.Join(names, ", "))
	case len(b.problems) > 0:
		return nil, "template", fmt.Sprintf("the template %s cannot be used, see %s", b.name, b.problems[0])
	}
	file, line, column := app.File, app.Line, app.Column
	*app = b.app
	app.File, app.Line, app.Column = file, line, column
	return b, "", ""
}

// complete makes what the app has of its template.
func (r *reader) complete(app *App) {
	b := r.base
	for _, f := range b.missing {
		if _, given := r.at[f.key]; !given {
			r.problems = append(r.problems, r.problem(r.nearest(f.key), f.key, "is missing, in the template %s too: %s", b.name, purpose(f.tag)))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(app.Parameters)) {
		if _, known := b.Parameters[name]; !known {
			names := slices.Sorted(maps.Keys(b.Parameters))
			path := "parameters." + name
			r.problems = append(r.problems, r.problem(r.nearest(path), path, "is no parameter of the template %s%s; it has %s", b.name, meant(name, names), cmp.Or(strings.Join(names, ", "), "none")))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Parameters)) {
		_, given := app.Parameters[name]
		if _, has := b.defaults[name]; !given && !has {
			r.problems = append(r.problems, r.problem(r.nearest("parameters"), "parameters."+name, "is missing: the template %s has no default for it", b.name))
		}
	}
	if len(r.problems) > 0 || r.made > maxMade { // which keeps all from being used
		return
	}
	var value func(name string) string
	value = func(name string) string {
		if given, ok := app.Parameters[name]; ok {
			return given
		}
		if name == appName {
			return app.Name
		}
		return b.defaults[name].with(value)
	}
	r.make(&b.holes, reflect.ValueOf(app).Elem(), value)
}

// make puts values into the holes of a template that the app does not fill itself. Lists and maps
// with holes become the app's own.
func (r *reader) make(h *hole, v reflect.Value, value func(string) string) {
	if _, own := r.at[h.path]; own && v.Kind() != reflect.Struct && v.Kind() != reflect.Map || r.made > maxMade {
		return
	}
	switch {
	case h.text != nil:
		r.makeText(h, v, value)
	case v.Kind() == reflect.Struct:
		for i := range h.below {
			r.make(&h.below[i], v.FieldByIndex(h.below[i].field), value)
		}
	case v.Kind() == reflect.Slice:
		r.made += v.Len() * int(v.Type().Elem().Size())
		list := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(list, v)
		for i := range h.below {
			r.make(&h.below[i], list.Index(h.below[i].item), value)
		}
		v.Set(list)
	case v.Kind() == reflect.Map:
		r.made += v.Len() * 2 * int(v.Type().Elem().Size())
		texts := maps.Clone(v.Interface().(map[string]string))
		for i := range h.below {
			text := texts[h.below[i].key]
			r.make(&h.below[i], reflect.ValueOf(&text).Elem(), value)
			texts[h.below[i].key] = text
		}
		v.Set(reflect.ValueOf(texts))
	}
}

func (r *reader) makeText(h *hole, v reflect.Value, value func(string) string) {
	text := h.text.with(value)
	if made, ok := h.made[text]; ok {
		v.Set(made)
		return
	}
	r.made += len(text)
	known := len(r.problems)
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text, Line: r.root.line, Column: r.root.column}
	r.read(n, h.path, v, h.tag)
	for i := known; i < len(r.problems); i++ {
		r.problems[i].Message += fmt.Sprintf(" (from the template %s, %s)", r.base.name, where(r.base.file, h.at.line, h.at.column))
	}
	if h.made != nil && known == len(r.problems) {
		h.made[text] = reflect.ValueOf(v.Interface())
	}
}

// mistaken are the mistakes of the templates of a file.
func (r *reader) mistaken() (list []Problem) {
	for _, name := range slices.Sorted(maps.Keys(r.blueprints)) {
		list = append(list, r.blueprints[name].problems...)
	}
	inOrder(list)
	return list
}
