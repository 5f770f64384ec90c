package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"bluegreen/internal/engine"
	"bluegreen/internal/release"
)

// GitHubOptions configure a GitHub. All are required.
type GitHubOptions struct {
	Token string
	API   string // base address, without a slash at its end
	// Repositories are those that may be written to, as owner/name or owner/*: the image itself
	// says where it comes from, and whoever pushes images decides that.
	Repositories []string
	Environment  string // name; {app} stands for the app
	Source       engine.Sourced
	Transport    http.RoundTripper
}

// GitHub reports releases as deployments and commit statuses of the revision that an image was
// built from. An image without that, or from another repository, is not reported.
// Source: docs.github.com/rest/deployments and docs.github.com/rest/commits/statuses
type GitHub struct {
	receiver
	o    GitHubOptions
	host string // of the repositories
}

var _ engine.Notifier = (*GitHub)(nil)

// NewGitHub makes a GitHub.
func NewGitHub(o GitHubOptions) (*GitHub, error) {
	if problem := Problem(o.API); problem != "" {
		return nil, errors.New("its API " + problem)
	}
	u, err := url.Parse(o.API)
	if err != nil {
		return nil, err
	}
	return &GitHub{newReceiver(o.Transport, o.Token), o, strings.TrimPrefix(u.Host, "api.")}, nil
}

// outcome is what GitHub gets of a fact: states, "" for none.
type outcome struct{ deployment, commit string }

func outcomeOf(f release.Fact) outcome {
	switch {
	case f.Kind == release.ReleaseStarted, f.Kind == release.ReleaseSwitched:
		return outcome{"in_progress", "pending"}
	case f.Kind == release.ReleaseCompleted:
		return outcome{"success", "success"}
	case f.Kind == release.ReleaseFailed, f.Kind == release.ReleaseReturned:
		return outcome{"failure", "failure"}
	case f.Kind == release.Advanced && (f.Phase == release.Superseded || f.Phase == release.Canceled):
		return outcome{"inactive", "error"}
	}
	return outcome{}
}

// GitHubKinds are the kinds of facts that GitHub gets.
func GitHubKinds() []release.FactKind {
	return []release.FactKind{release.ReleaseStarted, release.ReleaseSwitched, release.ReleaseCompleted, release.ReleaseFailed, release.ReleaseReturned, release.Advanced}
}

// Notify implements engine.Notifier. A repetition finds the deployment and the status that are
// there.
func (g *GitHub) Notify(ctx context.Context, m engine.Message) error {
	is := outcomeOf(m.Fact)
	if is.deployment == "" || m.Fact.Image.Digest == "" {
		return nil
	}
	source, err := g.o.Source.Source(ctx, m.Fact.Image.Digest)
	if errors.Is(err, engine.ErrNotFound) || errors.Is(err, engine.ErrNotAnImage) {
		return nil // deleted since: nothing says where it came from
	}
	if err != nil {
		return fmt.Errorf("find out what the image was built from: %w", err)
	}
	repository := g.repository(source.URL)
	if repository == "" || !revision.MatchString(source.Revision) {
		return nil
	}
	if err := g.deployed(ctx, repository, source.Revision, m, is); err != nil {
		return fmt.Errorf("report a deployment of %s: %w", repository, err)
	}
	status := map[string]any{"state": is.commit, "context": "bluegreen/" + m.App, "description": description(m)}
	if m.Link != "" {
		status["target_url"] = m.Link
	}
	if err := g.call(ctx, http.MethodPost, "/repos/"+repository+"/statuses/"+source.Revision, status, nil); err != nil {
		return fmt.Errorf("report the status of a commit of %s: %w", repository, err)
	}
	return nil
}

var (
	revision = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)
	owned    = regexp.MustCompile(`^[A-Za-z0-9-]{1,39}/[A-Za-z0-9._-]{1,100}$`)
)

// repository is the owner/name of an address of a repository that may be written to; "" for others.
func (g *GitHub) repository(source string) string {
	u, err := url.Parse(source)
	if err != nil || !strings.EqualFold(u.Host, g.host) {
		return ""
	}
	name := strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	base := path.Base(name)
	if !owned.MatchString(name) || base == "." || base == ".." {
		return ""
	}
	if !slices.ContainsFunc(g.o.Repositories, func(may string) bool {
		owner, all := strings.CutSuffix(may, "/*")
		return strings.EqualFold(may, name) || all && strings.EqualFold(owner, path.Dir(name))
	}) {
		return ""
	}
	return name
}

// deployment is one as GitHub lists it.
type deployment struct {
	ID      int64           `json:"id"`
	Payload json.RawMessage `json:"payload"`
}

// payload identifies a deployment: a release of an app.
type payload struct {
	Bluegreen string `json:"bluegreen"`
}

func (d deployment) is(id string) bool {
	data := d.Payload
	var text string
	if json.Unmarshal(data, &text) == nil { // GitHub answers it as text where it was sent so
		data = []byte(text)
	}
	var p payload
	return json.Unmarshal(data, &p) == nil && p.Bluegreen == id
}

// deployed sets the state of the release's deployment, and makes that before.
func (g *GitHub) deployed(ctx context.Context, repository, sha string, m engine.Message, is outcome) error {
	environment := strings.ReplaceAll(g.o.Environment, "{app}", m.App)
	id := fmt.Sprintf("%s/%d", m.App, m.Fact.Release)
	all := "/repos/" + repository + "/deployments"
	var known []deployment
	if err := g.call(ctx, http.MethodGet, all+"?per_page=100&"+url.Values{"sha": {sha}, "environment": {environment}}.Encode(), nil, &known); err != nil {
		return err
	}
	at := slices.IndexFunc(known, func(d deployment) bool { return d.is(id) })
	if at < 0 {
		var made deployment
		err := g.call(ctx, http.MethodPost, all, map[string]any{
			"ref": sha, "environment": environment, "auto_merge": false, "required_contexts": []string{},
			"payload": payload{id}, "description": cut(fmt.Sprintf("release %d of %s", m.Fact.Release, m.App), mostDescription),
		}, &made)
		if err != nil {
			return err
		}
		if made.ID == 0 {
			return errors.New("the answer names no deployment")
		}
		known, at = []deployment{made}, 0
	}
	statuses := all + "/" + strconv.FormatInt(known[at].ID, 10) + "/statuses"
	var last []struct{ State, Description string }
	if err := g.call(ctx, http.MethodGet, statuses+"?per_page=1", nil, &last); err != nil {
		return err
	}
	if len(last) > 0 && last[0].State == is.deployment && last[0].Description == description(m) {
		return nil
	}
	status := map[string]any{"state": is.deployment, "environment": environment, "description": description(m)}
	if m.Link != "" {
		status["log_url"] = m.Link
	}
	return g.call(ctx, http.MethodPost, statuses, status, nil)
}

// mostDescription is how long GitHub lets a description be, in characters.
const mostDescription = 140

func description(m engine.Message) string { return cut(plain(m.Fact.Line()), mostDescription) }

// call makes one request of the API and reads the answer into a value, unless that is nil.
func (g *GitHub) call(ctx context.Context, method, at string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
	}
	a, err := g.send(ctx, method, g.o.API+at, http.Header{
		"Accept": {"application/vnd.github+json"}, "Authorization": {"Bearer " + g.o.Token},
		"Content-Type": {"application/json"}, "X-Github-Api-Version": {"2022-11-28"},
	}, data)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(a.body, into); err != nil {
		return fmt.Errorf("answered %d with what cannot be read: %w", a.status, err)
	}
	return nil
}

// limited is for how long GitHub takes no request after its rate limit is used up.
// Source: docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api
func limited(h http.Header, now time.Time) time.Duration {
	reset, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64)
	if err != nil || h.Get("X-Ratelimit-Remaining") != "0" {
		return 0
	}
	return max(0, time.Unix(reset, 0).Sub(now))
}
