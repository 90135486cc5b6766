<?php

const TOLERANCE = 300; // seconds

// $header: Tokiflow-Signature. $body: as it came, from php://input.
function is_from_tokiflow(string $secret, string $header, string $body): bool
{
    $values = ['t' => [], 'v1' => []];
    foreach (explode(',', $header) as $part) {
        [$name, $value] = explode('=', $part, 2) + [1 => ''];
        $values[$name][] = $value;
    }
    if (count($values['t']) !== 1 || !preg_match('/\A[0-9]{1,12}\z/', $values['t'][0])) {
        return false;
    }
    if (abs(time() - (int) $values['t'][0]) > TOLERANCE) {
        return false;
    }
    $expected = hash_hmac('sha256', $values['t'][0] . '.' . $body, $secret);
    // While the secret is changed there are two signatures: one is enough.
    foreach ($values['v1'] as $given) {
        if (hash_equals($expected, $given)) {
            return true;
        }
    }
    return false;
}
