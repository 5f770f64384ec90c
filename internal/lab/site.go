package lab

import (
	"fmt"
	"time"

	"bluegreen/internal/fake"
)

// site is one app of the lab, from its clusters to its users.
type site struct {
	name      string
	cluster   *fake.Cluster
	instances *instances
	front     *front
	users     *crowd
}

func (l *Lab) startSite(gateway, name string) (*site, error) {
	s := &site{name: name, cluster: fake.NewCluster(time.Now, sleep, nil)}
	s.cluster.Behave("", fake.Behaviour{Ready: time.Second})
	var err error
	if s.instances, err = startInstances(s.cluster); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	l.onClose(s.instances.close)
	if s.front, err = openFront(l.azure, gateway, s); err != nil {
		return nil, fmt.Errorf("open the gateway of %s: %w", name, err)
	}
	return s, nil
}

func (s *site) repository() string { return "team/" + s.name }

// rule is the alert rule about errors of the app.
func (s *site) rule() string { return s.name + "-5xx" }
