package pages

import (
	"net/http"
	"net/url"
	"strings"

	"bluegreen/internal/api"
	"bluegreen/internal/signin"
)

// cookie holds the function key of a visitor who has entered one.
const cookie = "bluegreen-key"

// visitor is who looks at the pages: a principal that the platform has signed in, or the
// holder of a key that the host has taken. The zero visitor is nobody.
type visitor struct {
	Name      string
	key       string // "" for a principal
	principal string // the platform's header
}

// IsZero reports whether nobody is known.
func (v visitor) IsZero() bool { return v.key == "" && v.principal == "" }

// ByKey reports whether a key opened the pages.
func (v visitor) ByKey() bool { return v.key != "" }

// introduce gives a request to the API the visitor's own credentials.
func (v visitor) introduce(r *http.Request) {
	if v.key != "" {
		r.Header.Set("x-functions-key", v.key)
		return
	}
	r.Header.Set(signin.Header, v.principal)
}

// visitor identifies the sender of a request; the zero visitor without credentials. An error
// is why credentials are not taken, or could not be checked.
func (p *pages) visitor(c *call) (visitor, error) {
	if sent := c.Header.Get(signin.Header); p.SignIn && sent != "" {
		principal, err := signin.Read(c.Header)
		if err != nil {
			return visitor{}, api.Errorf(http.StatusBadRequest, "principal", "%s %v", signin.Header, err)
		}
		return visitor{Name: principal.Name, principal: sent}, nil
	}
	k, err := c.Cookie(cookie)
	if err != nil || k.Value == "" {
		return visitor{}, nil
	}
	key, err := url.QueryUnescape(k.Value)
	if err != nil {
		return visitor{}, nil // not a cookie of these pages
	}
	if err := p.keys.check(c.Context(), key, false); err != nil {
		return visitor{}, err
	}
	return visitor{Name: "function key " + fingerprint(key), key: key}, nil
}

// fingerprint identifies a key without giving it away, as the history does.
func fingerprint(key string) string {
	r := &http.Request{Header: http.Header{}, URL: &url.URL{}}
	r.Header.Set("x-functions-key", key)
	return signin.Key(r)
}

// mayAct reports why the visitor can give no command at all, whatever the app and its rights
// say; nil when the API decides.
func (p *pages) mayAct(c *call) error {
	if !c.who.ByKey() {
		return nil
	}
	return p.keys.check(c.Context(), c.who.key, true)
}

// entrance is the page that asks who comes.
type entrance struct {
	Why    string
	SignIn string // where to sign in with Entra, "" where that is off
	Keys   bool
	Next   string
}

// askToSignIn answers 401 with the login. A link on another site makes the browser keep
// cookies back; the same address asked for once more by this page brings them.
func (p *pages) askToSignIn(c *call, why error) error {
	next := inside(c.URL.RequestURI())
	if c.Method == http.MethodPost || c.at("login") || c.at("live") {
		next = Base
	}
	if c.Method == http.MethodGet && c.Header.Get("Sec-Fetch-Site") == "cross-site" && why == nil {
		c.w.Header().Set("Refresh", "0; url="+next)
	}
	e := entrance{Keys: p.Verify != nil, Next: next}
	if p.SignIn {
		e.SignIn = "/.auth/login/aad?" + url.Values{"post_login_redirect_uri": {next}}.Encode()
	}
	status := http.StatusUnauthorized
	if why != nil {
		known := explain(why)
		e.Why, status = known.Message, known.Status
		if status == http.StatusTooManyRequests || status >= 500 {
			c.w.Header().Set("Retry-After", "60")
		}
	}
	return p.show(c, status, "login", page{Title: "Sign in", Body: e})
}

// login takes a key from the form, and keeps it in a cookie once the host has taken it.
func (p *pages) login(c *call) error {
	key := strings.TrimSpace(c.PostForm.Get("key"))
	var err error = errNoKey
	if key != "" {
		err = p.keys.check(c.Context(), key, false)
	}
	if err != nil {
		return p.askToSignIn(c, err)
	}
	p.setCookie(c, url.QueryEscape(key), 12*60*60)
	return p.leave(c, inside(c.PostForm.Get("next")))
}

var errNoKey = api.Errorf(http.StatusBadRequest, "key", "enter a function key")

func (p *pages) logout(c *call) error {
	p.setCookie(c, "", -1)
	return p.leave(c, Base)
}

func (p *pages) setCookie(c *call, value string, age int) {
	http.SetCookie(c.w, &http.Cookie{Name: cookie, Value: value, Path: Base, MaxAge: age, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// inside is an address of these pages, or the overview for any other.
func inside(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || u.Path != Base && !strings.HasPrefix(u.Path, Base+"/") || strings.ContainsAny(address, "\\\r\n;") || strings.Contains(u.Path, "..") {
		return Base
	}
	return u.RequestURI()
}
