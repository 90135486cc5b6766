package main

import (
	"encoding/json"
	"os"
)

func main() {
	var cases []struct {
		Secret, Header string
		Body           []byte
	}
	if err := json.NewDecoder(os.Stdin).Decode(&cases); err != nil {
		panic(err)
	}
	answers := make([]bool, len(cases))
	for number, one := range cases {
		answers[number] = IsFromTokiflow(one.Secret, one.Header, one.Body)
	}
	json.NewEncoder(os.Stdout).Encode(answers)
}
