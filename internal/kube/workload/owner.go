package workload

import (
	"encoding/json"
	"time"

	appsv1 "k8s.io/api/apps/v1"
)

// owner is one field manager of a Deployment, with the tree of the fields that it set last
// (https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management).
type owner struct {
	name   string
	at     time.Time
	fields map[string]any
}

func owners(d *appsv1.Deployment) (list []owner) {
	for _, entry := range d.ManagedFields {
		o := owner{name: entry.Manager}
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &o.fields) != nil {
			continue
		}
		if entry.Time != nil {
			o.at = entry.Time.Time
		}
		list = append(list, o)
	}
	return list
}

var (
	sizeField  = []string{"f:spec", "f:replicas"}
	podsFields = []string{"f:spec", "f:template", "f:spec"}
)

// imageField is the field of a container's image; kind is containers or initContainers.
func imageField(kind, container string) []string {
	return append(podsFields[:len(podsFields):len(podsFields)], "f:"+kind, `k:{"name":"`+container+`"}`, "f:image")
}

func (o owner) has(path []string) bool {
	var at any = o.fields
	for _, step := range path {
		tree, ok := at.(map[string]any)
		if !ok {
			return false
		}
		if at, ok = tree[step]; !ok {
			return false
		}
	}
	return true
}

// changedBy is the manager that set image or size last, and when; "" where that was
// bluegreen. A field that bluegreen still owns has the value that it wrote, also where
// another manager has set the same.
func (s *snapshot) changedBy() (name string, at time.Time) {
	all := owners(s.deployment)
	for _, field := range [][]string{imageField(containers, s.container.Name), sizeField} {
		if ours(all, field) {
			continue
		}
		for _, o := range all {
			if o.has(field) && (name == "" || o.at.After(at)) {
				name, at = o.name, o.at
			}
		}
	}
	return name, at
}

func ours(all []owner, field []string) bool {
	for _, o := range all {
		if o.name == manager && o.has(field) {
			return true
		}
	}
	return false
}
