-- What wrk sends: pings to monitors picked at random, and at the end one line of JSON that bench/load.py reads.
-- Arguments: a file with one path a line, the method, the Connection header, the size of the body in bytes.

local requests = {}

function init(arguments)
  local body = string.rep("x", tonumber(arguments[4]))
  local headers = { Connection = arguments[3], ["Content-Type"] = "text/plain" }
  for path in io.lines(arguments[1]) do
    requests[#requests + 1] = wrk.format(arguments[2], path, headers, body ~= "" and body or nil)
  end
  math.randomseed(os.time())
end

function request()
  return requests[math.random(#requests)]
end

function done(summary, latency)
  local errors = summary.errors
  local report = '{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d, "late": %d}'
  io.write("\n", report:format(summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write, errors.timeout), "\n")
end
