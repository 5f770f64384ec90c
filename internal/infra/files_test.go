// Package infra checks properties of bicep/ that the Bicep compiler cannot: the templates create
// gateways that bluegreen can switch, agree with the code, grant exactly the permissions that it
// needs, and keep Azure's limits of names.
package infra_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const root = "../.."

// file is a Bicep file, taken apart.
type file struct {
	path  string // from bicep/
	text  string
	decls []*decl
}

// find returns the declaration of a name, nil if there is none.
func (f *file) find(word, name string) *decl {
	for _, d := range f.decls {
		if d.word == word && d.name == name {
			return d
		}
	}
	return nil
}

// resources are all that the file declares, also within others.
func (f *file) resources() (found []*decl) {
	var inside func(*decl)
	inside = func(d *decl) {
		found = append(found, d)
		for _, child := range object(d.body).inner {
			nested := *child
			nested.kind = before(d.kind, "@") + "/" + before(child.kind, "@")
			inside(&nested)
		}
	}
	for _, d := range f.decls {
		if d.word == "resource" {
			inside(d)
		}
	}
	return found
}

// object is the body of a resource or module, also of one in a loop.
func object(n *node) *node {
	for n != nil && n.kind == 'f' {
		n = n.kids[1]
	}
	if n == nil || n.kind != 'o' {
		return &node{kind: 'o'}
	}
	return n
}

// get is a property of an object, nil if it has none of the name.
func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k == key {
			return n.kids[i]
		}
	}
	return nil
}

// load reads all of bicep/.
func load(t *testing.T) map[string]*file {
	t.Helper()
	files := map[string]*file{}
	paths, err := filepath.Glob(root + "/bicep/*.bicep")
	modules, moduleErr := filepath.Glob(root + "/bicep/modules/*.bicep")
	if err != nil || moduleErr != nil || len(paths) == 0 || len(modules) == 0 {
		t.Fatalf("no files in bicep/: %v %v", err, moduleErr)
	}
	for _, path := range append(paths, modules...) {
		f := &file{path: strings.TrimPrefix(filepath.ToSlash(path), root+"/bicep/"), text: read(t, path)}
		if f.decls, err = parse(f.text); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		files[f.path] = f
	}
	return files
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
