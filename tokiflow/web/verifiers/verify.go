package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"
)

const tolerance = 300 // seconds

// IsFromTokiflow: header is Tokiflow-Signature, body as it came, not parsed.
func IsFromTokiflow(secret, header string, body []byte) bool {
	var times, signatures []string
	for _, part := range strings.Split(header, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch name {
		case "t":
			times = append(times, value)
		case "v1":
			signatures = append(signatures, value)
		}
	}
	if len(times) != 1 {
		return false
	}
	sent, err := strconv.ParseUint(times[0], 10, 40)
	if err != nil {
		return false
	}
	if age := time.Now().Unix() - int64(sent); age > tolerance || age < -tolerance {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(times[0] + "."))
	mac.Write(body)
	expected := []byte(hex.EncodeToString(mac.Sum(nil)))
	// While the secret is changed there are two signatures: one is enough.
	for _, given := range signatures {
		if hmac.Equal(expected, []byte(given)) {
			return true
		}
	}
	return false
}
