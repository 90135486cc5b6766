require "json"
require_relative "verify"
puts JSON.generate(JSON.parse($stdin.read).map { |one| from_tokiflow?(one["secret"], one["header"], one["body"].unpack1("m")) })
