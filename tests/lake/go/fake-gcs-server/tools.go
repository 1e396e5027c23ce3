//go:build tools

// Package tools names the commands that this module pins.
package tools

import _ "github.com/fsouza/fake-gcs-server"
