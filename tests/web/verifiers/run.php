<?php
require 'verify.php';
$answer = fn (array $one) => is_from_tokiflow($one['secret'], $one['header'], base64_decode($one['body']));
echo json_encode(array_map($answer, json_decode(stream_get_contents(STDIN), true)));
