// Says when schedules run next, by the library that Kubernetes' CronJob uses: a line `expression|zone|second` on standard
// input gives a second on standard output, 0 where there is none.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "|")
		var second int64
		if _, err := fmt.Sscan(parts[2], &second); err != nil {
			fail(err)
		}
		zone, err := time.LoadLocation(parts[1])
		if err != nil {
			fail(err)
		}
		schedule, err := cron.ParseStandard(parts[0])
		if err != nil {
			fail(err)
		}
		next := schedule.Next(time.Unix(second, 0).In(zone))
		if next.IsZero() {
			fmt.Fprintln(out, 0)
		} else {
			fmt.Fprintln(out, next.Unix())
		}
	}
	if err := lines.Err(); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
