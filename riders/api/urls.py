"""The addresses of this room; config/urls.py includes them."""

from django.urls import URLPattern, path

from riders.api import profile, referrals

urlpatterns: list[URLPattern] = [
    path("api/v1/rider/me", profile.ProfileView.as_view(), name="rider-me"),
    path("api/v1/rider/availability", profile.AvailabilityView.as_view(), name="rider-availability"),
    path("api/v1/rider/push-token", profile.PushTokenView.as_view(), name="rider-push-token"),
    path("api/v1/rider/referral", referrals.ReferralView.as_view(), name="rider-referral"),
    path("api/v1/rider/referral/top", referrals.TopReferrersView.as_view(), name="rider-referral-top"),
]
