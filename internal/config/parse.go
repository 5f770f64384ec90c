package config

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// maxBytes, maxNodes, maxAnchors and maxItems bound one file. What an alias stands for counts
	// as often as it is used.
	maxBytes   = 1 << 20
	maxNodes   = 200_000
	maxAnchors = 1_000 // and aliases
	maxItems   = 1_000 // of a list, that of the apps aside
)

// parse returns what is in a file, or the Problem for which it cannot be read.
func parse(text string) (*yaml.Node, *Problem) {
	if len(text) > maxBytes {
		return nil, at(1, 1, "the file has more than the %d bytes that are read of one: it can be split into files of the folder bluegreen.d", maxBytes)
	}
	var doc, more yaml.Node
	d := yaml.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&doc); errors.Is(err, io.EOF) {
		return nil, at(1, 1, "the file is empty: write apps: and below it the apps")
	} else if err != nil {
		return nil, notYAML(err)
	}
	if err := d.Decode(&more); err == nil {
		return nil, at(more.Line, more.Column, "a second document begins here: one file holds one")
	} else if !errors.Is(err, io.EOF) {
		return nil, notYAML(err)
	}
	return doc.Content[0], size(doc.Content[0])
}

func at(line, column int, format string, args ...any) *Problem {
	return &Problem{Line: max(1, line), Column: max(1, column), Message: fmt.Sprintf(format, args...)}
}

// size is what makes a file too large to be read; nil for one that is not.
func size(root *yaml.Node) *Problem {
	nodes, anchors, apps := 0, 0, listOfApps(root)
	var wrong *Problem
	var count func(n *yaml.Node)
	count = func(n *yaml.Node) {
		if nodes++; n.Anchor != "" || n.Kind == yaml.AliasNode {
			anchors++
		}
		switch {
		case wrong != nil:
			return
		case nodes > maxNodes:
			wrong = at(1, 1, "the file has more than %d values, aliases counted as often as they are used", maxNodes)
		case anchors > maxAnchors:
			wrong = at(n.Line, n.Column, "the file has more than %d anchors and aliases: what apps share goes under defaults or into a template", maxAnchors)
		case n.Kind == yaml.SequenceNode && len(n.Content) > maxItems && (n != apps || len(n.Content) > maxApps):
			wrong = at(n.Line, n.Column, "the list has %d items, more than the %d that are read", len(n.Content), maxItems)
		case n.Kind == yaml.AliasNode:
			count(n.Alias)
		}
		for _, c := range n.Content {
			if wrong == nil {
				count(c)
			}
		}
	}
	count(root)
	return wrong
}

// listOfApps is the one list that may be long; nil where there is none.
func listOfApps(root *yaml.Node) *yaml.Node {
	for i := 0; root.Kind == yaml.MappingNode && i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value == "apps" {
			return root.Content[i+1]
		}
	}
	return nil
}

var lineOf = regexp.MustCompile(`^line (\d+): `)

func notYAML(err error) *Problem {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	line := 1
	if found := lineOf.FindStringSubmatch(text); found != nil {
		line, _ = strconv.Atoi(found[1])
		text = strings.TrimPrefix(text, found[0])
	}
	return at(line, 1, "not YAML from about here: %s (often the indentation)", text)
}
