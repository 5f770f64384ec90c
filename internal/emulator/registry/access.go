package registry

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const tokenLife = 75 * time.Minute

// token has the form of a JWT, because clients read its expiry.
func token(kind string, life time.Duration) string {
	part := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"jti":%q,"grant_type":%q,"exp":%d}`, rand.Text(), kind, time.Now().Add(life).Unix())
	return part([]byte(`{"alg":"none"}`)) + "." + part([]byte(claims)) + "." + part([]byte("lab"))
}

// exchange trades an Entra token for a refresh token.
func (r *Registry) exchange(w http.ResponseWriter, req *http.Request) {
	switch {
	case req.Method != http.MethodPost || req.FormValue("grant_type") != "access_token" || req.FormValue("service") != r.host:
		refuse(w, http.StatusBadRequest, "BAD_REQUEST", "grant_type must be access_token, and service the login server")
	case r.o.Admit != nil && !r.o.Admit(req.FormValue("access_token")):
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "the Entra token is not accepted")
	default:
		send(w, http.StatusOK, map[string]string{"refresh_token": r.secret + token("refresh_token", 3*time.Hour)})
	}
}

// access issues an access token for a scope. Like the real registry it also answers clients
// without the permission, with a smaller scope.
func (r *Registry) access(w http.ResponseWriter, req *http.Request) {
	signedIn := req.FormValue("grant_type") == "refresh_token" && strings.HasPrefix(req.FormValue("refresh_token"), r.secret)
	anonymous := req.FormValue("grant_type") == "password" && r.o.Admit == nil
	if req.Method != http.MethodPost || req.FormValue("service") != r.host || !signedIn && !anonymous {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	t := token("access_token", tokenLife)
	r.issued[t] = req.FormValue("scope")
	send(w, http.StatusOK, map[string]string{"access_token": t})
}

var (
	catalogPath = regexp.MustCompile(`^/acr/v1/(.+?)/_(tags|manifests)(?:/([^/]+))?$`)
	v2Path      = regexp.MustCompile(`^/v2/(.+?)/(manifests|blobs|tags|referrers)/`)
)

// allowed answers 401 to clients without read permission.
func (r *Registry) allowed(w http.ResponseWriter, req *http.Request) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.o.Admit == nil && !r.refused {
		return true
	}
	repo, action := "", "pull"
	if found := v2Path.FindStringSubmatch(req.URL.Path); found != nil {
		repo = found[1]
	} else if found := catalogPath.FindStringSubmatch(req.URL.Path); found != nil {
		repo, action = found[1], "metadata_read"
	}
	bearer, _ := strings.CutPrefix(req.Header.Get("Authorization"), "Bearer ")
	scope, known := r.issued[bearer]
	name, actions, _ := cutLast(scope)
	if known && !r.refused && name == "repository:"+repo && slices.Contains(strings.Split(actions, ","), action) &&
		(req.Method == http.MethodGet || req.Method == http.MethodHead) {
		return true
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer realm="http://%s/oauth2/token",service="%s",scope="repository:%s:%s"`, r.host, r.host, repo, action))
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.")
	return false
}

func cutLast(scope string) (name, actions string, ok bool) {
	i := strings.LastIndex(scope, ":")
	if i < 0 {
		return "", "", false
	}
	return scope[:i], scope[i+1:], true
}

// catalog is the registry's own API on tags and manifests.
func (r *Registry) catalog(w http.ResponseWriter, req *http.Request) {
	found := catalogPath.FindStringSubmatch(req.URL.Path)
	r.mu.Lock()
	defer r.mu.Unlock()
	if found == nil || r.repos[found[1]] == nil {
		refuse(w, http.StatusNotFound, "NAME_UNKNOWN", "repository name not known to registry")
		return
	}
	repo, kind, one := r.repos[found[1]], found[2], found[3]
	all, single := repo.tags, "tag"
	if kind == "manifests" {
		all, single = repo.manifests, "manifest"
	}
	head := map[string]any{"registry": r.host, "imageName": found[1]}
	if one == "" {
		head[kind] = page(w, req, all)
	} else if e, ok := all[one]; ok {
		head[single] = e
	} else {
		refuse(w, http.StatusNotFound, strings.ToUpper(single)+"_UNKNOWN", "the specified "+single+" does not exist")
		return
	}
	send(w, http.StatusOK, head)
}

// page lists entries in the requested order, by name unless timedesc, with a link to the next page.
func page(w http.ResponseWriter, req *http.Request, all map[string]entry) []entry {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if order := all[b].LastUpdateTime.Compare(all[a].LastUpdateTime); req.FormValue("orderby") == "timedesc" && order != 0 {
			return order
		}
		return strings.Compare(a, b)
	})
	n, err := strconv.Atoi(req.FormValue("n"))
	if err != nil || n < 1 {
		n = 100
	}
	begin := slices.Index(names, req.FormValue("last")) + 1
	end := min(begin+n, len(names))
	list := []entry{}
	for _, name := range names[begin:end] {
		list = append(list, all[name])
	}
	if end < len(names) {
		q := req.URL.Query()
		q.Set("last", names[end-1])
		w.Header().Set("Link", fmt.Sprintf(`<%s?%s>; rel="next"`, req.URL.Path, q.Encode()))
	}
	return list
}
