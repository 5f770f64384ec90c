// Package openapi makes docs/openapi.json and checks it.
package openapi_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi/datamodel"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"bluegreen/internal/golden"
)

const file = "../../docs/openapi.json"

func written(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(document(t)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestTheDocumentIsMadeFromTheTables writes docs/openapi.json.
func TestTheDocumentIsMadeFromTheTables(t *testing.T) {
	golden.Check(t, file, string(written(t)))
}

func parsed(t *testing.T, data []byte) any {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// compiler knows the document, and with it every schema in it.
func compiler(t *testing.T, doc any) *jsonschema.Compiler {
	t.Helper()
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("openapi.json", doc); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheDocumentIsOpenAPI against the published schema of OpenAPI 3.1, and its schemas against
// that of JSON Schema.
func TestTheDocumentIsOpenAPI(t *testing.T) {
	doc := parsed(t, written(t))
	c := compiler(t, doc)
	if err := c.AddResource("openapi-3.1", parsed(t, []byte(datamodel.OpenAPI31SchemaData))); err != nil {
		t.Fatal(err)
	}
	meta, err := c.Compile("openapi-3.1")
	if err != nil {
		t.Fatal(err)
	}
	if err := meta.Validate(doc); err != nil {
		t.Error(err)
	}
	broken := parsed(t, bytes.Replace(written(t), []byte(`"in": "query"`), []byte(`"in": "quarry"`), 1))
	if meta.Validate(broken) == nil {
		t.Error("a parameter in a place that there is not is found to be right")
	}
	for name := range at(t, doc, "components", "schemas").(object) {
		if _, err := c.Compile("openapi.json#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// at follows keys into a document.
func at(t *testing.T, v any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		o, ok := v.(object)
		if !ok || o[key] == nil {
			t.Fatalf("there is no %s at %s", key, strings.Join(keys, "/"))
		}
		v = o[key]
	}
	return v
}

// TestTheExamplesAreRight: each is what its schema says.
func TestTheExamplesAreRight(t *testing.T) {
	doc := parsed(t, written(t))
	c, checked := compiler(t, doc), 0
	var walk func(v any, pointer string)
	walk = func(v any, pointer string) {
		o, ok := v.(object)
		if list, isList := v.([]any); isList {
			for i, each := range list {
				walk(each, pointer+"/"+string(rune('0'+i)))
			}
		}
		if !ok {
			return
		}
		if o["schema"] != nil {
			schema, err := c.Compile("openapi.json#" + pointer + "/schema")
			if err != nil {
				t.Fatal(err)
			}
			for _, example := range examplesOf(t, doc, o) {
				checked++
				if err := schema.Validate(example); err != nil {
					t.Errorf("%s: %v", pointer, err)
				}
			}
		}
		for key, each := range o {
			walk(each, pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(key))
		}
	}
	walk(at(t, doc, "paths"), "/paths")
	walk(at(t, doc, "components"), "/components")
	if checked < 40 {
		t.Errorf("only %d examples", checked)
	}
}

func examplesOf(t *testing.T, doc any, o object) (all []any) {
	if o["example"] != nil {
		all = append(all, o["example"])
	}
	named, _ := o["examples"].(object)
	for _, each := range named {
		ref := strings.TrimPrefix(at(t, each, "$ref").(string), "#/")
		all = append(all, at(t, doc, append(strings.Split(ref, "/"), "value")...))
	}
	return all
}
