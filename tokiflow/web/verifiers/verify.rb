require "openssl"

TOLERANCE = 300 # seconds

# header: Tokiflow-Signature. body: the bytes as they came, before anything parses them.
def from_tokiflow?(secret, header, body)
  fields = header.split(",").map { |part| part.split("=", 2) }
  values = ->(name) { fields.select { |key, _| key == name }.map { |_, value| value.to_s } }
  times = values.call("t")
  return false unless times.size == 1 && times.first.match?(/\A[0-9]{1,12}\z/)
  return false if (Time.now.to_i - times.first.to_i).abs > TOLERANCE

  expected = OpenSSL::HMAC.hexdigest("SHA256", secret, "#{times.first}.".b + body.b)
  # While a secret is being changed there are two signatures; one that fits is enough.
  values.call("v1").any? { |given| OpenSSL.secure_compare(expected, given) }
end
