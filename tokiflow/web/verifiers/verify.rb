require "openssl"

TOLERANCE = 300 # seconds

# header: Tokiflow-Signature. body: as it came, before it is parsed.
def from_tokiflow?(secret, header, body)
  fields = header.split(",").map { |part| part.split("=", 2) }
  values = ->(name) { fields.filter_map { |key, value| value.to_s if key == name } }
  times = values.call("t")
  return false unless times.size == 1 && times.first.match?(/\A[0-9]{1,12}\z/)
  return false if (Time.now.to_i - times.first.to_i).abs > TOLERANCE

  expected = OpenSSL::HMAC.hexdigest("SHA256", secret, "#{times.first}.".b + body.b)
  # While the secret is changed there are two signatures: one is enough.
  values.call("v1").any? { |given| OpenSSL.secure_compare(expected, given) }
end
