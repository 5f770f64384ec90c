package fake

import "bluegreen/internal/release"

// The names under which others change a Deployment, as their field managers have them.
const (
	kubectl    = "kubectl-edit"
	autoscaler = "kube-controller-manager"
)

// disturb changes a color from outside.
func (c *Cluster) disturb(color release.Color, do func(d *deployment)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	do(c.colors[color])
}

// Away makes the API unreachable for both colors, or reachable again. Pods go on meanwhile.
func (c *Cluster) Away(away bool) {
	c.ColorAway(release.Blue, away)
	c.ColorAway(release.Green, away)
}

// ColorAway does so for one color: the colors run in clusters of their own.
func (c *Cluster) ColorAway(color release.Color, away bool) {
	c.disturb(color, func(d *deployment) { d.away = away })
}

// Deny refuses all changes of a color, or allows them again. It can still be looked at.
func (c *Cluster) Deny(color release.Color, denied bool) {
	c.disturb(color, func(d *deployment) { d.denied = denied })
}

// Gone deletes the Deployment of a color, or creates it again as it was; its pods then start
// anew.
func (c *Cluster) Gone(color release.Color, gone bool) {
	c.disturb(color, func(d *deployment) {
		if d.gone && !gone {
			c.restart(d)
		}
		d.gone = gone
	})
}

// Lose takes the nodes away that a share of a color's pods runs on, one pod at least; 0
// brings them back: those pods then start anew.
func (c *Cluster) Lose(color release.Color, share float64) {
	c.disturb(color, func(d *deployment) {
		now := c.now()
		for n := range d.pods {
			if d.isLost(n) {
				d.pods[n] = c.start(d, now)
			}
		}
		d.lost = share
	})
}

// Restart starts all pods of a color anew, as when its nodes are replaced.
func (c *Cluster) Restart(color release.Color) {
	c.disturb(color, c.restart)
}

func (c *Cluster) restart(d *deployment) {
	now := c.now()
	for n := range d.pods {
		d.pods[n] = c.start(d, now)
	}
}

// Edit changes the image of a color outside bluegreen, as with kubectl. One without a digest is
// named by its tag alone.
func (c *Cluster) Edit(color release.Color, i release.Image) {
	c.disturb(color, func(d *deployment) {
		d.image, d.changedBy = i, kubectl
		c.restart(d)
	})
}

// Tag makes a tag of the registry mean an image from now on. Pods that run keep theirs.
func (c *Cluster) Tag(tag, digest string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tags[tag] = digest
}

// Autoscale gives a color an autoscaler with a minimum, or changes that; 0 takes it away.
func (c *Cluster) Autoscale(color release.Color, minimum int32) {
	c.disturb(color, func(d *deployment) {
		d.minimum, d.before = minimum, 0
		c.scaleTo(d, d.size())
	})
}

// Minimum returns the minimum of a color's autoscaler, and whether HoldSize has raised it.
func (c *Cluster) Minimum(color release.Color) (minimum int32, raised bool) {
	c.disturb(color, func(d *deployment) { minimum, raised = d.minimum, d.before > 0 })
	return minimum, raised
}

// Resize is what an autoscaler does: it changes the size of a color, never below its minimum,
// and not at all while that is 0.
func (c *Cluster) Resize(color release.Color, replicas int32) {
	c.disturb(color, func(d *deployment) { c.scaleTo(d, replicas) })
}

func (c *Cluster) scaleTo(d *deployment, replicas int32) {
	replicas = max(replicas, d.minimum, 1)
	if d.size() == 0 || replicas == d.size() {
		return
	}
	c.resize(d, replicas, c.now())
	d.changedBy = autoscaler
}

// NameByTag makes a Deployment name its image by tag only, as it may have been created. Its
// pods stay.
func (c *Cluster) NameByTag(color release.Color) {
	c.disturb(color, func(d *deployment) { d.image.Digest = "" })
}
