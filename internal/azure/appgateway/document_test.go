package appgateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"bluegreen/internal/azure/appgateway"
	"bluegreen/internal/azure/resource"
	"bluegreen/internal/release"

	azarm "github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const gatewayID = "/subscriptions/0b9f6a52-3c1d-4e7a-9a64-5f2d8c7e1a10/resourceGroups/rg-shop-prod/providers/Microsoft.Network/applicationGateways/agw-shop"

// service answers GET with a document and keeps the body of a PUT.
type service struct{ document, written []byte }

func (s *service) Do(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Request: r, Body: io.NopCloser(bytes.NewReader(s.document))}
	if r.Method == http.MethodPut {
		var err error
		if s.written, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		resp.Header.Set("Azure-AsyncOperation", "https://management.azure.com/subscriptions/s/providers/Microsoft.Network/locations/l/operations/o?api-version=1")
		resp.Body = http.NoBody
	}
	return resp, nil
}

// repoint lets the adapter move the app's traffic in a document, and returns the written document.
func repoint(ctx context.Context, fatal func(...any), document []byte, settings bool, rules ...string) ([]byte, error) {
	s := &service{document: document}
	o := appgateway.Options{
		ID: gatewayID, Rules: rules, Manager: resource.NewManager(&fake.TokenCredential{}, &azarm.ClientOptions{ClientOptions: policy.ClientOptions{Transport: s}}),
		Blue: appgateway.Backend{Pool: "pool-blue"}, Green: appgateway.Backend{Pool: "pool-green"},
	}
	if settings {
		o.Blue.Settings, o.Green.Settings = "set-blue", "set-green"
	}
	g, err := appgateway.New(o)
	if err != nil {
		fatal(err)
	}
	op, err := g.Switch(ctx, release.Green, 1)
	if (err == nil) != (s.written != nil) || err == nil && op.Token == "" {
		fatal("error ", err, ", operation ", op, ", written ", s.written != nil)
	}
	return s.written, err
}

// generated is a gateway as it may be, and as it must be written when traffic goes to green.
type generated struct{ before, after []byte }

// gateways generates gateways in which the app has any mix of references, beside others'.
func gateways(settings bool) *rapid.Generator[generated] {
	return rapid.Custom(func(t *rapid.T) generated {
		m := &maker{T: t, settings: settings}
		podinfo, shop := m.odd(), m.odd() // whether they have path maps
		text := m.object(
			`"id":`+quote(gatewayID), `"etag":"W/\"1\""`, `"tags":`+m.anything(2),
			`"properties":`+m.object(
				`"operationalState":"Running"`,
				m.section("backendAddressPools", m.sub("backendAddressPools", "pool-blue"), m.sub("backendAddressPools", "pool-green"), m.sub("backendAddressPools", "pool-other")),
				m.section("backendHttpSettingsCollection", m.sub("backendHttpSettingsCollection", "set-blue"), m.sub("backendHttpSettingsCollection", "set-green"), m.sub("backendHttpSettingsCollection", "set-other")),
				m.section("requestRoutingRules", m.rule("neighbour", false, m.odd()), m.rule("podinfo", true, podinfo), m.rule("shop", true, shop)),
				m.section("urlPathMaps", m.pathMap("neighbour", false), m.pathMap("podinfo", podinfo), m.pathMap("shop", shop)),
			))
		return generated{[]byte(change.ReplaceAllString(text, "$1")), []byte(change.ReplaceAllString(text, "$2"))}
	})
}

// change marks, in the text of a maker, a text before and after the switch.
var change = regexp.MustCompile("\x01([^\x01]*)\x02([^\x01]*)\x01")

func quote(s string) string { b, _ := json.Marshal(s); return string(b) }

type maker struct {
	*rapid.T
	settings bool
	n        int
}

func (m *maker) odd() bool { return rapid.Bool().Draw(m.T, "odd") }

func (m *maker) space() string {
	return rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(m.T, "space")
}

// object writes an object with the given members and some unknown ones, in any order.
func (m *maker) object(members ...string) string {
	for range rapid.IntRange(0, 2).Draw(m.T, "unknown") {
		m.n++
		members = append(members, fmt.Sprintf("\"unknown%d\":%s", m.n, m.anything(2)))
	}
	members = rapid.Permutation(members).Draw(m.T, "members")
	return "{" + m.space() + strings.Join(members, m.space()+","+m.space()) + m.space() + "}"
}

func (m *maker) section(key string, items ...string) string {
	return quote(key) + ":[" + m.space() + strings.Join(rapid.Permutation(items).Draw(m.T, "items"), ",") + "]"
}

// anything writes a value whose spelling a careless rewriting would change.
func (m *maker) anything(depth int) string {
	switch kind := rapid.IntRange(0, 5).Draw(m.T, "kind"); {
	case kind == 0 && depth > 0:
		return m.object(`"id":`+m.anything(depth-1), `"a\u0062c":`+m.anything(0))
	case kind == 1 && depth > 0:
		return "[" + m.anything(depth-1) + "," + m.anything(depth-1) + "]"
	case kind == 2:
		return quote(rapid.String().Draw(m.T, "text"))
	}
	return rapid.SampledFrom([]string{
		"null", "true", "[]", "{}", `""`, "12345678901234567890", "1.50", "-0", "1E+400", "0.1e-7", `"\/\u00e9\ud83d\ude00"`, `"<&>é"`,
		quote(gatewayID + "/backendAddressPools/pool-blue"), // not a reference of a rule
	}).Draw(m.T, "value")
}

func (m *maker) sub(section, name string) string {
	return m.object(`"name":`+quote(name), `"id":`+quote(gatewayID+"/"+section+"/"+name), `"properties":`+m.anything(2))
}

// ref writes a reference, before and after the switch. Azure may write the same id in
// another case.
func (m *maker) ref(key, section, before, after string) string {
	was := quote(gatewayID + "/" + section + "/" + before)
	if m.odd() {
		was = strings.ToUpper(was)
	}
	is := was
	if before != after {
		is = quote(gatewayID + "/" + section + "/" + after)
	}
	return quote(key) + ":" + m.object(`"id":`+"\x01"+was+"\x02"+is+"\x01")
}

// backend writes a target, before and after the switch: a reference of the app to a color
// changes to green.
func (m *maker) backend(prefix string, own bool, colors ...string) []string {
	pool := rapid.SampledFrom(colors).Draw(m.T, "pool")
	settings := rapid.SampledFrom([]string{"blue", "green", "other"}).Draw(m.T, "settings")
	toPool, toSettings := pool, settings
	if own && pool != "other" {
		toPool = "green"
		if m.settings && settings != "other" {
			toSettings = "green"
		}
	}
	key := func(name string) string { return prefix + strings.ToUpper(name[:1]) + name[1:] }
	if prefix == "" {
		key = func(name string) string { return name }
	}
	return []string{
		m.ref(key("backendAddressPool"), "backendAddressPools", "pool-"+pool, "pool-"+toPool),
		m.ref(key("backendHttpSettings"), "backendHttpSettingsCollection", "set-"+settings, "set-"+toSettings),
	}
}

func (m *maker) rule(name string, own, paths bool) string {
	members := []string{`"priority":100`, m.ref("httpListener", "httpListeners", "lst", "lst")}
	switch {
	case paths:
		members = append(members, `"ruleType":"PathBasedRouting"`, `"backendAddressPool":null`, m.ref("urlPathMap", "urlPathMaps", "map-"+name, "map-"+name))
	case own:
		members = append(append(members, `"ruleType":"Basic"`), m.backend("", true, "blue", "green")...)
	default:
		members = append(append(members, `"ruleType":"Basic"`), m.backend("", false, "blue", "green", "other")...)
	}
	return m.object(`"name":`+quote(name), `"properties":`+m.object(members...))
}

func (m *maker) pathMap(name string, own bool) string {
	rules := []string{
		m.pathRule("sure", m.backend("", own, "blue", "green")),
		m.pathRule("redirect", []string{m.ref("redirectConfiguration", "redirectConfigurations", "to-https", "to-https")}),
	}
	for range rapid.IntRange(0, 3).Draw(m.T, "rules") {
		rules = append(rules, m.pathRule("any", m.backend("", own, "blue", "green", "other")))
	}
	members := append(m.backend("default", own, "blue", "green", "other"), m.section("pathRules", rules...))
	return m.object(`"name":`+quote("map-"+name), `"id":`+quote(gatewayID+"/urlPathMaps/map-"+name), `"properties":`+m.object(members...))
}

func (m *maker) pathRule(name string, members []string) string {
	return m.object(`"name":`+quote(name), `"properties":`+m.object(members...))
}

func TestOnlyTheAppsReferencesChangeInAnyGateway(t *testing.T) {
	for _, settings := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			g := gateways(settings).Draw(t, "gateway")
			if !json.Valid(g.before) {
				t.Fatalf("the test makes bad JSON: %s", g.before)
			}
			written, err := repoint(t.Context(), t.Fatal, g.before, settings, "podinfo", "shop")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(g.after), string(written)); diff != "" {
				t.Fatalf("it is not written as it should be (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAFullGatewayComesBackAsItWas(t *testing.T) {
	for name, s := range shapes {
		w := newEnv(t, s)
		w.done(release.Green)
		before, err := json.Marshal(w.azure.Document())
		if err != nil {
			t.Fatal(err)
		}
		w.done(release.Green)
		writes := w.writes()
		if diff := differences(t, before, writes[len(writes)-1].Body); len(diff) != 0 {
			t.Errorf("%s: a write that moves nothing changes %v", name, diff)
		}
	}
}

func TestADescriptionThatIsNotGoodJSONIsAnError(t *testing.T) {
	for _, bad := range []string{"", "{", "[]{}", `{"a":1,"a":2}`, `{"a":{"b":1,"\u0062":2}}`, "{\"a\":\"\xff\"}", "null", "[]", strings.Repeat("[", 20000)} {
		if written, err := repoint(t.Context(), t.Fatal, []byte(bad), false, "podinfo"); err == nil || written != nil {
			t.Errorf("%.40q was taken", bad)
		}
	}
}

// owned are the only places that a write may change.
var owned = regexp.MustCompile(`^/properties/(requestRoutingRules/\d+/properties/backend(AddressPool|HttpSettings)` +
	`|urlPathMaps/\d+/properties/(defaultBackend|pathRules/\d+/properties/backend)(AddressPool|HttpSettings))/id$`)

func FuzzRepoint(f *testing.F) {
	files, err := filepath.Glob("testdata/*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		seed, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, settings := range []bool{false, true} {
			if _, err := repoint(f.Context(), f.Fatal, seed, settings, "podinfo"); err != nil && !settings {
				f.Fatalf("%s cannot be switched: %v", file, err)
			}
			f.Add(seed, settings)
		}
	}
	for _, seed := range []string{`{}`, `null`, `{"properties":[]}`, `{"properties":{"operationalState":"Running","requestRoutingRules":[{"name":"podinfo","properties":{"ruleType":"Basic","backendAddressPool":{"id":7}}},null,3]}}`} {
		f.Add([]byte(seed), true)
	}
	f.Fuzz(func(t *testing.T, document []byte, settings bool) {
		written, err := repoint(t.Context(), t.Fatal, document, settings, "podinfo")
		if err != nil {
			return
		}
		for _, d := range differences(t, document, written) {
			if !owned.MatchString(d.path) {
				t.Errorf("%s changed from %v to %v", d.path, d.before, d.after)
			}
		}
		again, err := repoint(t.Context(), t.Fatal, written, settings, "podinfo")
		if err != nil || !bytes.Equal(again, written) {
			t.Errorf("written again it differs, error %v", err)
		}
	})
}

type difference struct {
	path          string
	before, after any
}

// differences compares two documents by their tokens, so that the order of keys counts too.
func differences(t *testing.T, before, after []byte) (found []difference) {
	t.Helper()
	a, b := read(t, before), read(t, after)
	if len(a) != len(b) {
		t.Fatalf("%d values became %d", len(a), len(b))
	}
	for i := range a {
		if a[i] != b[i] {
			found = append(found, difference{a[i].path, a[i].value, b[i].value})
		}
	}
	return found
}

type leaf struct {
	path  string
	value any
}

// read lists the values of a document in their order, with where they are.
func read(t *testing.T, document []byte) (found []leaf) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var value func(path string)
	value = func(path string) {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, leaf{path, token})
		open, nested := token.(json.Delim)
		for n := 0; nested && d.More(); n++ {
			key := strconv.Itoa(n)
			if open == '{' {
				token, _ := d.Token()
				key = token.(string)
			}
			value(path + "/" + key)
		}
		if nested {
			d.Token()
		}
	}
	value("")
	return found
}
