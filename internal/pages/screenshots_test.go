package pages_test

import (
	"bytes"
	"flag"
	"image"
	"image/color"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/chromedp/chromedp"
)

var screenshots = flag.String("screenshots", "", "folder for pictures of the pages")

// TestScreenshots draws the pages of docs/pages.md: make screenshots.
func TestScreenshots(t *testing.T) {
	if *screenshots == "" {
		t.Skip("draws only with -screenshots FOLDER")
	}
	b := browser(t)
	at := b.serve(sample())
	draw := func(name, view string) {
		b.do(chromedp.Navigate(at+view), chromedp.WaitVisible("main"))
		drawn, err := small(get(b, chromedp.CaptureScreenshot()))
		if err == nil {
			err = os.WriteFile(filepath.Join(*screenshots, name+".png"), drawn, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range []string{"light", "phone", "dark"} {
		b.do(chromedp.EmulateViewport(1120, 1180))
		switch mode {
		case "phone":
			b.do(chromedp.EmulateViewport(390, 1180))
		case "dark":
			b.dark()
		}
		draw("overview-"+mode, "")
		draw("app-"+mode, "/apps/podinfo")
		draw("needs-you-"+mode, "/apps/checkout")
		draw("confirm-"+mode, "/apps/podinfo/rollback")
		draw("held-"+mode, "/apps/catalog")
	}
}

// apart is the square of the distance of two colors.
func apart(a, b color.Color) (sum int) {
	r, g, bl, _ := a.RGBA()
	r2, g2, b2, _ := b.RGBA()
	for _, d := range []int{int(r>>8) - int(r2>>8), int(g>>8) - int(g2>>8), int(bl>>8) - int(b2>>8)} {
		sum += d * d
	}
	return sum
}

// small encodes a picture anew, in its 255 most frequent colors of those that differ.
func small(picture []byte) ([]byte, error) {
	full, err := png.Decode(bytes.NewReader(picture))
	if err != nil {
		return nil, err
	}
	area, count := full.Bounds(), map[color.Color]int{}
	for y := range area.Dy() {
		for x := range area.Dx() {
			count[full.At(x, y)]++
		}
	}
	var palette color.Palette
	for _, c := range slices.SortedFunc(maps.Keys(count), func(a, b color.Color) int { return count[b] - count[a] }) {
		if len(palette) < 255 && (len(palette) == 0 || apart(c, palette[palette.Index(c)]) > 100) {
			palette = append(palette, c)
		}
	}
	nearest := map[color.Color]uint8{}
	out := image.NewPaletted(area, palette)
	for y := range area.Dy() {
		for x := range area.Dx() {
			c := full.At(x, y)
			n, known := nearest[c]
			if !known {
				n = uint8(palette.Index(c))
				nearest[c] = n
			}
			out.SetColorIndex(x, y, n)
		}
	}
	var encoded bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&encoded, out)
	return encoded.Bytes(), err
}
